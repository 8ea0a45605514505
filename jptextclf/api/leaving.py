"""What may leave: the verdict for a use, its report, an export, a push."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.api.runs import Run, path_of
from jptextclf.exporters import Checked, Export, Push, check_subject
from jptextclf.exporters import export as export_directory
from jptextclf.exporters import push as push_directory
from jptextclf.licensing.reports import render
from jptextclf.messages import language as language_of_now
from jptextclf.subjects import find_subject

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from jptextclf.exporters.judging import Policy
    from jptextclf.progress import Progress


def license_check(
    subject: str | os.PathLike[str],
    use: str | None = None,
    *,
    output_license: str | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Checked:
    """The verdict of the written policy for a use of a run, an export, a model or a case.

    Of an export it also says which duties its files do not meet: ``.problems``.

    :param subject: directory, model name, card name, hub id, or JSON file of a case
    :param use: one of the closed list; None: the default of the policy, else the one of the case or the export
    :param output_license: that the model is given under
    :param policy: of the company, or its file
    :raises ConfigError: nothing has this name, or use, licence or policy cannot be used
    :raises SetupError: a run was damaged or changed, or a model is not at hand
    """
    judged, problems = check_subject(
        subject, use, output_license=output_license, policy=policy, progress=progress
    )
    return Checked.of(judged.assessment, problems)


def license_report(
    subject: str | os.PathLike[str],
    use: str | None = None,
    *,
    format: str = "md",  # noqa: A002 - the option's name
    language: str | None = None,
    output_license: str | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> str:
    """The report on a verdict, as a document that ends with a line feed.

    :param format: ``md``, ``html``, ``json``, ``spdx``, ``cyclonedx`` or ``notice``
    :param language: ``ja`` or ``en``; None: the language of now
    :raises ConfigError, SetupError: as :func:`license_check`; also for an unknown format (``JPT-U001``)
    """
    found = find_subject(subject, progress=progress)
    judged, _ = check_subject(found, use, output_license=output_license, policy=policy)
    return render(judged.assessment, found.report(), format=format, language=language or language_of_now())


def export(
    run: Run | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    use: str | None = None,
    format: str = "huggingface",  # noqa: A002 - the option's name
    output_license: str | None = None,
    policy: Policy | None = None,
    license_files: Mapping[str, str | os.PathLike[str]] | None = None,
    copyright: str | None = None,  # noqa: A002 - the option's name
    overwrite: bool = False,
) -> Export:
    """:func:`jptextclf.exporters.gate.export`: judge a run for a use, and write an export, whole or not at all."""
    return export_directory(
        path_of(run), out, use=use, format=format, output_license=output_license, policy=policy,
        license_files=license_files, copyright=copyright, overwrite=overwrite,
    )  # fmt: skip


def push(
    run: Run | str | os.PathLike[str],
    repo: str,
    *,
    use: str | None = None,
    private: bool = False,
    output_license: str | None = None,
    policy: Policy | None = None,
    license_files: Mapping[str, str | os.PathLike[str]] | None = None,
    copyright: str | None = None,  # noqa: A002 - the option's name
    progress: Progress | None = None,
) -> Push:
    """:func:`jptextclf.exporters.hub.push`: export a run for ``publish-on-hub`` and send it in one commit."""
    return push_directory(
        path_of(run), repo, use=use, private=private, output_license=output_license, policy=policy,
        license_files=license_files, copyright=copyright, progress=progress,
    )  # fmt: skip
