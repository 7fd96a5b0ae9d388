"""The Latents page as a whole: the source on the left, one section at a time on the right."""

from dashboard.views.latents import contents, experiments, run_steps, vae, walk
from dashboard.widgets.latent_source import Source, choose_source, model_in_hand
from dashboard.widgets.section_choice import sections_beside

SECTIONS = {
    "What they hold": contents.show,
    "Through a run": run_steps.show,
    "VAE round trip": vae.show,
    "Experiments": experiments.show,
    "Between two": walk.show,
}


def latents_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()

    def draw(section: str, source: Source) -> None:
        SECTIONS[section](page, source, model)

    sections_beside(page, lambda: choose_source(page, model), SECTIONS, draw)
