"""The English Indices of Deprivation, and the rates of crime published beside them."""

from __future__ import annotations

from basrelief.sources.published import PublishedIndex

IOD = PublishedIndex(
    name="English Indices of Deprivation (ministry responsible for housing and local government)",
    licence="v3.0",
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
        "public_order": ("Public order",),
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
    # "(rate)" may follow, and File 7 cuts headings at 80 characters.
    are_beginnings=True,
)
