"""The Training page as a whole: the picture on the left, one section at a time on the right."""

from dashboard.views.training import four, one_timestep, over_time, step
from dashboard.views.training.form import asked, picture
from dashboard.widgets.latent_source import Source, model_in_hand
from dashboard.widgets.section_choice import sections_beside

SECTIONS = {
    "One timestep": one_timestep.show,
    "Loss over t": over_time.show,
    "The step back": step.show,
    "eps, x0, v, velocity": four.show,
}


def training_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()

    def draw(section: str, chosen: tuple[Source, str]) -> None:
        SECTIONS[section](page, asked(page, model, *chosen), model)

    sections_beside(page, lambda: picture(page, model), SECTIONS, draw)
