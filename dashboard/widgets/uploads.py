"""Takes what a person uploads.

Streamlit ends a callback when another rerun is asked for meanwhile, and does not run it again. So
whether a file is new is asked in the script, by the file's id, and what is cut short is repeated.
"""

from collections.abc import Callable

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile


def take_upload(key: str, take: Callable[[UploadedFile], None]) -> None:
    """Call ``take`` with the file that an uploader holds, once for each file.

    Call it before the fields that ``take`` sets are drawn; the uploader may come later.

    Args:
        key: The uploader's.
        take: What is done with it; it is done again if a rerun cuts it short.
    """
    file = st.session_state.get(key)
    if not isinstance(file, UploadedFile):  # none, or one that the server has lost
        return
    if st.session_state.get(f"{key}.taken") == file.file_id:
        return
    take(file)
    st.session_state[f"{key}.taken"] = file.file_id
