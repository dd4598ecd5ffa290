"""Options from a file: a TOML file of options, or the recipe that an earlier run left."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from napari_clipseg.cli.fields import PATH, option

REPEATED = ("tile", "overlap", "zoom", "batch", "precision", "device")
"""Settings of a recorded run that are options of their own."""

LABELLED = ("min_size", "fill_holes", "smoothing")
"""How labels were made by a run in napari, by the names of options."""


def _load(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the file's settings the defaults of all options, which the command line overrides."""
    if path is None:
        return
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        settings = _of_record(path, json.loads(text)) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, KeyError, TypeError) as error:
        raise click.BadParameter(f"{path} cannot be read as {kind}: {error}") from error
    options = {each.name: each for each in context.command.params if isinstance(each, click.Option)}
    defaults = {name.replace("-", "_"): value for name, value in settings.items()}
    unknown = sorted(set(defaults) - set(options))
    if unknown:
        raise click.BadParameter(f"{path} sets {unknown[0]!r}, which is no option")
    context.default_map = {
        name: _typed(value, options[name].multiple) for name, value in defaults.items()
    }


def _typed(value: Any, repeatable: bool) -> Any:
    """Return a value as it is typed: a list is one text with commas, unless it can be repeated."""
    several = isinstance(value, list)
    if repeatable:
        return value if several else [value]
    return ",".join(map(str, value)) if several else value


def _of_record(path: Path, record: Any) -> Mapping[str, Any]:
    """Return the options of a recorded run; JSON without its fields holds options itself."""
    if "settings" not in record:
        return dict(record)
    job = record.get("job", {})
    labels = job.get("labels", {})
    for each in _not_repeated(job):
        click.echo(f"{path}: {each}", err=True)
    return {
        "model": record["model"],
        **_prompts(path, record["prompts"]),
        # "auto" stays so: the same image has the same window again, another one its own
        "contrast": "auto" if job.get("contrast") == "auto" else record["contrast"],
        "threshold": record["threshold"],
        **{name: record["settings"][name] for name in REPEATED},
        **{name: labels[name] for name in LABELLED if name in labels},
        **job.get("options", {}),
    }


def _not_repeated(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing of a run in napari that this command cannot do."""
    labels = job.get("labels", {})
    if any(labels.get("negative", ())):
        yield "negative prompts get labels like the others here"
    if len(set(labels.get("thresholds", ()))) > 1:
        yield "all prompts get the threshold of the first here"
    if labels.get("competition") and len(labels.get("titles", ())) > 1:
        yield "prompts do not compete here: their labels may overlap"
    if labels.get("instances") is False:
        yield "labels number objects here, not prompts"
    if job.get("regions"):
        yield "the whole plane is done here, not only the parts that were asked for"
    if job.get("plane", "[:, :]") != "[:, :]" or job.get("level"):
        yield (
            f"plane {job['plane']} of level {job.get('level') or 0} was meant: "
            "say so by --plane and --level"
        )


def _prompts(path: Path, prompts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the options of recorded prompts; the mask of an example is left to be given."""
    texts = {"prompt": [each["text"] for each in prompts if "text" in each], **_template(prompts)}
    painted = [each for each in prompts if "mask" in each]
    if not painted:
        return texts
    weight = painted[0].get("weight")
    examples = {(each["mask"], each["image"], each.get("weight")) for each in painted}
    if len(examples) > 1 or (weight is not None and len(painted) < len(prompts)):
        raise click.UsageError(
            f"the recipe {path} has several examples, or texts with and without one, which one "
            "command cannot repeat; give its prompts by --prompt, --support-mask and --mix instead"
        )
    mix = {} if weight is None else {"mix": weight}
    return {**texts, **mix, "support_mask": _asking(path)}


def _template(prompts: Sequence[Mapping[str, Any]]) -> Mapping[str, list[str]]:
    """Return the templates of the recorded texts, which are the same for all of a run."""
    recorded = [each["templates"] for each in prompts if "templates" in each]
    return {"template": recorded[0]} if recorded else {}


def _asking(path: Path) -> Callable[[], NoReturn]:
    """Return a default that click calls, to an error, only where the option is not given."""

    def ask() -> NoReturn:
        raise click.UsageError(
            f"the recipe {path} is of a run with a painted example, which it does not hold: give "
            "its mask with --support-mask, and with --support-image the image that the mask "
            "belongs to if that was another one"
        )

    return ask


RECIPE = option(
    "Take options from a TOML file, or from the .recipe.json of an earlier run.",
    type=PATH,
    is_eager=True,
    expose_value=False,
    callback=_load,
    metavar="FILE",
)("recipe")
