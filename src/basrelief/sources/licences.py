"""Whose data are, on which terms, and the words that the open licences ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"

OPEN_GOVERNMENT = "Contains public sector information licensed under the Open Government Licence"
"""A version stands behind it, as in ``v3.0``."""

ORDNANCE_SURVEY = "Contains OS data © Crown copyright and database right"

YEAR = "[year]"
"""Stands in a statement where its publisher wants the year of the data."""


@dataclass(frozen=True)
class Credit:
    """Whose data are, and on which terms."""

    source: str
    """Who publishes them."""

    licence: str
    """Its name, as in ``OGL v3``."""

    statement: str
    """What has to stand beside whatever is made of them."""

    url: str
    """Where the licence, or the data's own page, can be read."""

    is_non_commercial: bool = False

    def in_year(self, year: int) -> Credit:
        """Give the credit of data of a year: its statement names it where it has to."""
        return replace(self, statement=self.statement.replace(YEAR, str(year)))

    @property
    def words(self) -> str:
        """The statement, and what must not be overlooked of its terms."""
        # Whoever reads a page learns of a limit there, or sells what he may not.
        limit = f" {self.licence}: for no commercial use." if self.is_non_commercial else ""
        return f"{self.statement}{limit}"


def credit_open(source: str, url: str, version: str = "v3.0") -> Credit:
    """Make the credit of data under the Open Government Licence that ask for its own words."""
    short = f"OGL {version.removesuffix('.0')}"
    return Credit(source, short, f"{OPEN_GOVERNMENT} {version}.", url)
