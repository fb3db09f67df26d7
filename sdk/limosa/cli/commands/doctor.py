"""`limosa doctor`."""

import dataclasses

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import open_client, output_option, resolve_settings, target_options


@click.command()
@target_options
@output_option
def command(output: str, **flags: str | None) -> int:
    """Check this machine, the configuration and the platform; say what to do about what is wrong."""
    from limosa.cli import checks
    from limosa.cli.console import write_data, write_result

    settings = resolve_settings(dict(flags))
    findings = [*checks.check_machine(), *checks.check_config(settings), *checks.check_platform(settings)]
    if settings["endpoint"]:
        with open_client(settings) as client:
            findings += checks.check_server(client)
    if output == "text":
        signs = {checks.OK: "✓", checks.WARNING: "!", checks.FAILED: "✗"}
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            write_result(f"{signs[finding.state]} {finding.subject:<{width}}  {finding.detail}\n")
            if finding.remedy:
                write_result(f"  {'':<{width}}  → {finding.remedy}\n")
    else:
        write_data([dataclasses.asdict(finding) for finding in findings], output)
    failed = {finding.subject for finding in findings if finding.state == checks.FAILED}
    if failed & {"admin", "identity", "target"}:
        return ExitCode.UNREACHABLE
    return ExitCode.SYSTEM if failed else ExitCode.OK
