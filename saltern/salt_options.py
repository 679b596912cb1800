"""Options of Salt's minion and master files that are accepted here beside Saltern's own, so that a file which was
written for Salt can be used as it is.

`ACTIVE` have an effect. `FIXED` would change what a tree compiles to, and are taken with the one value that there is.
`INERT` have no effect, since Saltern does it another way or not at all. Templates see all of them by `config.get` and
`opts`. Any other name is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

ACTIVE: Final = frozenset(
    {
        *("default_include", "include", "nodegroups", "root_dir", "test"),
        *("default_top", "env_order", "state_top", "state_top_saltenv", "top_file_merging_strategy"),
    }
)
INERT: Final = frozenset(
    {
        # where things lie and what is written down: --root and the journal
        *("cachedir", "conf_file", "extension_modules", "pidfile", "pki_dir", "sock_dir"),
        *("log_datefmt", "log_datefmt_logfile", "log_file", "log_fmt_console", "log_fmt_logfile", "log_fmt_jid"),
        *("log_granular_levels", "log_level_logfile", "log_rotate_backup_count", "log_rotate_max_bytes", "user"),
        *("verify_env", "keysize", "sudo_user", "key_logfile"),
        # how results are shown: options of the commands
        *("color", "output", "output_file", "state_output", "state_output_diff", "state_output_profile"),
        *("state_output_pct", "state_tabular", "state_verbose", "strip_colors", "show_jid", "show_timeout"),
        # the connection and its keys
        *("acceptance_wait_time", "acceptance_wait_time_max", "auth_safemode", "auth_timeout", "auth_tries"),
        *("ipc_mode", "ipv6", "loop_interval", "master_alive_interval", "master_failback", "master_finger"),
        *("master_port", "master_shuffle", "master_tries", "master_type", "max_event_size", "open_mode"),
        *("ping_interval", "publish_port", "random_master", "random_reauth_delay", "recon_default", "recon_max"),
        *("recon_randomize", "rejected_retry", "request_channel_timeout", "retry_dns", "return_retry_timer"),
        *("return_retry_timer_max", "ret_port", "tcp_keepalive", "tcp_keepalive_cnt", "tcp_keepalive_idle"),
        *("tcp_keepalive_intvl", "transport", "verify_master_pubkey_sign", "zmq_filtering", "zmq_monitor"),
        # modules, processes and caches
        *("append_domain", "autosign_grains", "backup_mode", "cache_jobs", "clean_dynamic_modules", "cython_enable"),
        *("disable_grains", "disable_modules", "disable_returners", "enable_gpu_grains", "enable_fqdns_grains"),
        *("environment", "features", "fips_mode", "grains_blacklist", "grains_cache", "grains_cache_expiration"),
        *("grains_deep_merge", "grains_dirs", "grains_refresh_every", "hash_type", "minion_id_caching"),
        *("minion_id_lowercase", "minion_pillar_cache", "module_dirs", "multiprocessing", "outputter_dirs"),
        *("process_count_max", "providers", "render_dirs", "returner_dirs", "states_dirs", "utils_dirs"),
        *("whitelist_modules", "winrepo_dir", "multiprocessing_max", "thin_extra_mods"),
        # the language, where they make no difference here
        *("enforce_toplevel", "fileserver_backend", "fileserver_followsymlinks", "fileserver_ignoresymlinks"),
        *("file_ignore_glob", "file_ignore_regex", "pillar_opts", "renderer_blacklist", "renderer_whitelist"),
        *("state_events", "use_superseded", "lock_saltenv"),
    }
)
_FIXED: dict[str, Any] = {
    "jinja_env": {},
    "jinja_lstrip_blocks": False,
    "jinja_sls_env": {},
    "jinja_trim_blocks": False,
    "pillar_raise_on_missing": False,
    "renderer": "jinja|yaml",
    "state_auto_order": True,
}
FIXED: Final[Mapping[str, Any]] = MappingProxyType(_FIXED)
KNOWN: Final = ACTIVE | INERT | FIXED.keys()
