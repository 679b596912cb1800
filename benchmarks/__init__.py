"""The figures that Saltern is held to, each as a ratio within one run, so that a noisy machine does not decide."""
