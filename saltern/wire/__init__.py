"""Keys, CURVE authentication, typed messages, channels and sealing. Only this package imports zmq and cryptography."""
