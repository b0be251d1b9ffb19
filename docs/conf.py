"""Sphinx's settings. The repository's root is its source, so that every page stays where it is."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import warnings
from pathlib import Path

# No figure opens a window, and no notebook takes the cores that another needs.
os.environ.setdefault("MPLBACKEND", "agg")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from pages import write_pages

write_pages(HERE / "built")
# The release of MyST that is locked asks Sphinx for what goes in two releases.
warnings.filterwarnings("ignore", ".* Check CHANGES for Sphinx API", PendingDeprecationWarning)

project = "basrelief"
author = "The basrelief authors"
copyright = "The basrelief authors"
release = version = importlib.metadata.version(project)

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
root_doc = "docs/index"
include_patterns = ["docs/**", "*.md", "benchmarks/README.md"]
# README is the page of the repository; docs/index is the same door for these pages.
exclude_patterns = [
    *(".*", "dist", "runs", "src", "tests", "shared", "examples", "benchmarks/*.py", "README.md"),
    *("docs/_build", "docs/built", "docs/notebooks", "**/basrelief-demo"),
    *(
        "docs/gallery/*.py",
        "docs/gallery/*.ipynb",
        "docs/gallery/*.md5",
        "docs/gallery/sg_execution_times.rst",
    ),
]
nitpicky = True
# Only public names have a place here, and other projects' inventories lie in the network.
nitpick_ignore_regex = [("py:.*", r"(?!basrelief\.\w+$).*")]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "docs/notebooks",
    "gallery_dirs": "docs/gallery",
    # Every script is run, one after the other: the first makes the town that others read.
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "default_thumb_file": str(HERE / "report.png"),
    "download_all_examples": False,
    "plot_gallery": os.environ.get("RUN_NOTEBOOKS", "1") == "1",
    "remove_config_comments": True,
    # A cell that ends with one of these has nothing to show.
    "ignore_repr_types": "int|matplotlib|basrelief",
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10_000,
}

html_theme = "furo"
html_title = f"basrelief {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_js_files = [("reach.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False}
