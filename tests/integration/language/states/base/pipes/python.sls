#!py
def run():
    """Names that the renderer py gives an SLS."""
    return {
        "include": [".data", ".text"],
        f"{__grains__['id']} {__pillar__['role']} {__opts__['id']} {__env__} {__sls__}": {"test.nop": []},
        __salt__["test.echo"]("called"): {"test": ["nop", {"require": [{"sls": "pipes.data"}]}]},
    }
