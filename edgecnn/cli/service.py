"""What ``edgecnn serve`` does, whichever way its options were read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgecnn.cli.output import note
from edgecnn.cli.serve_options import ServeOptions
from edgecnn.errors import MissingExtraError, UsageError

__all__ = ["serve"]


def serve(options: ServeOptions) -> int:
    """Runs the service, and returns the exit status: 0 after SIGTERM."""
    try:
        from edgecnn.serving.running import check_service, run_service
        from edgecnn.serving.settings.reading import read_settings
    except ImportError as error:
        raise MissingExtraError(
            f"edgecnn serve needs {error.name}, not installed here; run pip install 'edgecnn[serve]'"
        ) from error
    if options.demo:
        options = _of_demo(options)
    if options.config is None and options.model is None:
        raise UsageError("give a model file and a camera, as in `edgecnn serve model.onnx 0`, or --config FILE")
    settings = read_settings(options.config, _flags(options))
    if options.check_config:
        check_service(settings)
        note("the settings are valid")
        return 0
    _note_passwords(options)
    return run_service(settings, note)


def _note_passwords(options: ServeOptions) -> None:
    """The command line of a process is readable for every user of the machine, for as long as it runs."""
    from edgecnn.runtime.sources.address import parse_address
    from edgecnn.runtime.sources.redaction import without_passwords

    if any(parse_address(source).name != source for source in options.sources):
        note("the address on the command line has a password, which every user here can read; use `address_file`")
    if options.mqtt is not None and without_passwords(options.mqtt) != options.mqtt:
        note("--mqtt has a password, which every user here can read; use `password_file` in the settings")


def _of_demo(options: ServeOptions) -> ServeOptions:
    """Raises :class:`UsageError` beside a model, :class:`InputNotFoundError` without a finished demo."""
    from edgecnn.demo.outputs import newest_demo

    if options.model is not None or options.config is not None:
        raise UsageError("--demo serves the demo's own model; leave the model and --config out")
    files = newest_demo()
    return replace(options, model=files.model, sources=(f"loop:{files.held_out}",))


def _flags(options: ServeOptions) -> dict[str, Any]:
    """What the command line sets, in the form of the settings file."""
    given = {"host": options.host, "port": options.port, "token_file": options.token_file}
    flags: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if options.model is not None:
        flags["models"] = [{"name": "main", "file": options.model}]
    if options.sources:
        names = ["camera"] if len(options.sources) == 1 else [f"camera{i + 1}" for i in range(len(options.sources))]
        flags["sources"] = [{"name": n, "address": s} for n, s in zip(names, options.sources, strict=True)]
    if options.mqtt is not None:
        flags["mqtt"] = {"url": options.mqtt}
    return flags
