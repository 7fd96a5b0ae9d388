"""Who is signed in, in the sidebar, and the way out."""

import streamlit as st

from dashboard.serving import OIDC, serving
from dashboard.shell.messages import explained, plain
from dashboard.shell.visitor import visitor


def signed_in() -> None:
    """Draw who is signed in; nothing on a server without login. Strangers get no page."""
    settings = serving()
    if not settings.login:
        return
    with explained():
        person = visitor()
    with st.container(horizontal=True, vertical_alignment="center", key="signed_in"):
        said = f":material/person: {plain(person.name)}" + " · operator" * person.operator
        st.caption(said, width="stretch", help=None if person.name == person.id else person.id)
        if settings.login == OIDC:
            st.button("Sign out", key="sign_out", type="tertiary", on_click=st.logout)
