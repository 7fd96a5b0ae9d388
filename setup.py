"""Which folders the wheel is made of; all else stands in pyproject.toml.

The pages, and the script that starts them with Streamlit's settings beside it, lie at the top of
the repository, where ``streamlit run`` looks for them. In the wheel they belong to the dashboard's
package: nothing of theirs may lie about in site-packages. There, too, the pages lie beside the
script and not beside ``main.py``, where Streamlit would make a menu of its own from them.
"""

from setuptools import find_packages, setup

setup(
    script_name="setup.py",  # so that this file is not taken for a module of dashboard.entry
    packages=[
        *find_packages(include=["sdlab*", "dashboard*"]),
        "dashboard.entry",
        "dashboard.entry.pages",
    ],
    package_dir={"dashboard.entry": "."},
)
