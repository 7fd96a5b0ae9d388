"""An audit in words: lines for a terminal, and a page of Markdown."""

from collections.abc import Iterable

from sdlab.auditing.audit import Audit, OnPath
from sdlab.auditing.conditions import FINE
from sdlab.auditing.marginals import Marginals
from sdlab.auditing.references import PLAIN

PATHS = {"vp": "over sigma (VE and VP)", "flow": "over flow matching's times"}


def lines(found: Audit) -> list[str]:
    """Return an audit's sentences, one a line."""
    said = [f"{found.sampler} ({found.source}): {_of_kind(found)}."]
    said += [_equals(found)]
    for path, measured in found.on.items():
        said += [f"{_cap(PATHS[path])}:", *(f"  {line}" for line in on_path(measured, found))]
    for path, measured in found.quiet.items():
        said.append(f"With its noise off ({found.switch}), {PATHS[path]}:")
        said += [f"  {line}" for line in on_path(measured, found)]
    bad = {name: what for name, what in found.conditions.items() if what != FINE}
    good = [name for name, what in found.conditions.items() if what == FINE]
    said += [f"Does not take: {name}: {what}." for name, what in bad.items()]
    said += [f"Takes: {', '.join(good)}."] if good else []
    return said


def markdown(found: Audit) -> str:
    """Return an audit as a page of Markdown."""
    parts = [f"# Audit of {found.sampler}", "", f"{_cap(_of_kind(found))}. {_equals(found)}", ""]
    for path, measured in found.on.items():
        parts += _section(f"{_cap(PATHS[path])}", measured, found)
    for path, measured in found.quiet.items():
        parts += _section(f"With its noise off ({found.switch}), {PATHS[path]}", measured, found)
    parts += ["## Edges", "", "| Condition | What happens |", "|---|---|"]
    parts += [f"| {name} | {_cell(what)} |" for name, what in found.conditions.items()]
    told = ("sdlab", "torch", "diffusers")
    made = ", ".join(f"{name} {found.versions[name]}" for name in told if name in found.versions)
    parts += ["", f"Source: {found.source}. Measured on {found.date} by sdlab.audit ({made})."]
    return "\n".join(parts) + "\n"


def on_path(measured: OnPath, found: Audit) -> list[str]:
    """Return what was measured on one path, as sentences."""
    kind = "Weak order" if measured.measure == "weak" else "Order"
    said = [f"{kind} {measured.order_text}, without the last jump to 0."]
    said += [cost_line(measured, budget) for budget in measured.error]
    said += [_floor(measured)]
    said += [_marginals(measured.marginals)] if measured.marginals else []
    worth = extra(measured, found.evaluations_per_step)
    return said + ([worth] if worth else [])


def cost_line(measured: OnPath, budget: int) -> str:
    """Return the error at a number of evaluations, beside the plain and the best."""
    error, plain = measured.error[budget], measured.plain[budget]
    name, best = measured.best[budget]
    who = PLAIN[measured.measure == "weak"]
    own = f"error {error:.2g}" if error is not None else "it takes no so few"
    beside = f"{who} {plain:.2g}" if plain is not None else f"{who} does not"
    return f"{budget} evaluations: {own} ({beside}, the best known {name} {best:.2g})."


def extra(measured: OnPath, per_step: float) -> str:
    """Return what the evaluations beyond one a step buy, "" if it makes no more."""
    both = {n: (e, measured.plain[n]) for n, e in measured.error.items()}
    known = {n: (e, p) for n, (e, p) in both.items() if e and p}
    if per_step < 1.5 or not known:
        return ""
    budget = max(known)
    error, plain = known[budget]
    one = PLAIN[measured.measure == "weak"]
    far = f"{error / plain:.2g} times as far off as" if error > plain else "nearer than"
    much = f" {plain / error:.2g} times" if error <= plain else ""
    return (
        f"It makes {per_step:g} evaluations a step: with {budget} in all it ends{much} {far}"
        f" {one}, which makes one a step."
    )


def _section(title: str, measured: OnPath, found: Audit) -> Iterable[str]:
    kind = "Weak order" if measured.measure == "weak" else "Order"
    yield from (f"## {title}", "", f"{kind} {measured.order_text}, without the last jump to 0.", "")
    yield from (_floor(measured), "")
    if measured.marginals:
        yield from (_marginals(measured.marginals), "")
    who = PLAIN[measured.measure == "weak"]
    yield from (f"| Evaluations | Error | {who} | Best known |", "|---:|---:|---:|---|")
    for budget, error in measured.error.items():
        name, best = measured.best[budget]
        plain = _number(measured.plain[budget])
        yield f"| {budget} | {_number(error)} | {plain} | {name} {best:.2g} |"
    worth = extra(measured, found.evaluations_per_step)
    yield from ("", worth, "") if worth else ("",)


def _of_kind(found: Audit) -> str:
    kinds = {
        "solver": "a solver of sdlab's shape",
        "function": "a function of k-diffusion's shape",
        "scheduler": "a scheduler of diffusers",
    }
    noise = "draws noise" if found.draws_noise else "draws no noise"
    each = f"{found.evaluations_per_step:g}"
    return f"{kinds[found.kind]}, {each} evaluation{'s' * (each != '1')} a step, {noise}"


def _equals(found: Audit) -> str:
    others = [name for name in found.equals if name != found.sampler]
    if not others:
        return "It equals no other sampler that is known here."
    return f"It ends where these do: {'; '.join(others)}."


def _floor(measured: OnPath) -> str:
    if measured.floor is None:
        return "Its error falls as far as was looked."
    return f"Its error stops falling at {measured.floor:.2g}, whatever the steps."


def _marginals(found: Marginals) -> str:
    verdict = "keeps" if found.keeps else "does NOT keep"
    how = "computed exactly" if found.exact else "95 % interval of samples"
    ends = (
        f"{found.variance:.4g}"
        if found.exact
        else f"{found.variance:.3g} ({found.variance_low:.3g} to {found.variance_high:.3g})"
    )
    return (
        f"It {verdict} the marginals: after {found.steps} steps the variance is {ends} times the"
        f" true one and the mean {found.mean:.2g} standard deviations off ({how})."
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]
