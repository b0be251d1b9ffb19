"""The English Indices of Deprivation, and the rates of crime published beside them."""

from __future__ import annotations

from basrelief.sources.licences import credit_open
from basrelief.sources.published import PublishedIndex

SHARE, SCORE, AROUND_0 = (0.0, 1.0), (0.0, 100.0), (-5.0, 5.0)
"""What is published lies well inside: shares up to 0.8; what is scaled by an exponential ends at
100 by its making; what is standardised ends at 4 in every edition from 2010 to 2025."""

RANGES = {
    # No area is least deprived in everything: 0.5 is the least of any edition.
    "imd": (0.1, 100.0),
    **dict.fromkeys(("income", "employment", "idaci", "idaopi", "adult_skills"), SHARE),
    **dict.fromkeys(("education", "barriers", "living_environment"), SCORE),
    **dict.fromkeys(("health", "crime"), AROUND_0),
    **dict.fromkeys(("children_and_young_people", "indoors", "outdoors"), AROUND_0),
    "geographical_barriers": AROUND_0,
    # Sums of several standardised indicators: up to 7.7 in London in 2019.
    "wider_barriers": (-20.0, 20.0),
    # Crimes a year and 1,000 people: 293 thefts at most in London in 2025. Ten an inhabitant, in
    # streets of shops, are believed.
    **dict.fromkeys(("violence_with_injury", "violence_without_injury"), (0.0, 1e4)),
    **dict.fromkeys(("stalking_and_harassment", "burglary", "theft"), (0.0, 1e4)),
    **dict.fromkeys(("criminal_damage", "public_order", "anti_social_behaviour"), (0.0, 1e4)),
}
"""By target the least and the largest that is believed of it."""

EDITIONS = {2008: 2010, 2012: 2015, 2015: 2019, 2022: 2025}
"""Editions of the index by the middle of which year its people were counted, which its tables say;
the scores speak of about that year."""

IOD = PublishedIndex(
    credit=credit_open(
        "English Indices of Deprivation (ministry responsible for housing and local government)",
        "https://www.gov.uk/government/collections/english-indices-of-deprivation",
    ),
    headings={
        "imd": ("Index of Multiple Deprivation (IMD) Score",),
        "income": ("Income Score",),
        "employment": ("Employment Score",),
        "education": ("Education, Skills and Training Score",),
        "health": ("Health Deprivation and Disability Score",),
        "crime": ("Crime Score",),
        "barriers": ("Barriers to Housing and Services Score",),
        "living_environment": ("Living Environment Score",),
        "children_and_young_people": ("Children and Young People Sub-domain Score",),
        "adult_skills": ("Adult Skills Sub-domain Score",),
        "geographical_barriers": ("Geographical Barriers Sub-domain Score",),
        "wider_barriers": ("Wider Barriers Sub-domain Score",),
        "indoors": ("Indoors Sub-domain Score",),
        "outdoors": ("Outdoors Sub-domain Score",),
        "idaci": ("Income Deprivation Affecting Children Index (IDACI) Score",),
        # The editions differ in the word "Index".
        "idaopi": (
            "Income Deprivation Affecting Older People (IDAOPI) Score",
            "Income Deprivation Affecting Older People Index (IDAOPI) Score",
        ),
        "violence_with_injury": ("Violence with injury",),
        "violence_without_injury": ("Violence without injury",),
        "stalking_and_harassment": ("Stalking and harassment",),
        "burglary": ("Burglary",),
        "theft": ("Theft",),
        "criminal_damage": ("Criminal damage",),
        "public_order": ("Public order", "Public order and possession of weapons"),
        "anti_social_behaviour": ("Anti-social behaviour",),
    },
    domains=(
        "imd",
        "income",
        "employment",
        "education",
        "health",
        "crime",
        "barriers",
        "living_environment",
    ),
    around_0=frozenset(
        (
            *("health", "crime", "children_and_young_people", "geographical_barriers"),
            *("wider_barriers", "indoors", "outdoors"),
        )
    ),
    # As the technical report of the index has it, in its appendix of indicators.
    by_district={"barriers": "homelessness", "wider_barriers": "homelessness"},
    ranges=RANGES,
    # "(rate)" may follow, and File 7 cuts headings at 80 characters.
    are_beginnings=True,
)
