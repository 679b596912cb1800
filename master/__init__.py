"""The master daemon: router, key store, job store, state trees, dispatch and runners."""
