"""The invented words: nothing here comes from a real Devin user."""

from __future__ import annotations

from typing import NamedTuple


class Repository(NamedTuple):
    """`pull_request` is the address of its pull requests, less the number."""

    name: str
    pull_request: str
    language: str
    tools: tuple[str, ...]


ORGANIZATIONS = ("payments", "platform", "storefront", "data", "mobile")
# Sessions of this organization often meet a broken environment, and cost more for it.
TROUBLED_ORGANIZATION = 2

REPOSITORIES = (
    Repository("billing-api", "https://github.com/acme/billing-api/pull/", "Python", ("FastAPI",)),
    Repository("ledger", "https://github.com/acme/ledger/pull/", "Java", ("Spring", "Gradle")),
    Repository("infra", "https://github.com/acme/infra/pull/", "HCL", ("Terraform",)),
    Repository("gateway", "https://github.com/acme/gateway/pull/", "Go", ("gRPC",)),
    Repository("shop-web", "https://github.com/acme/shop-web/pull/", "TypeScript", ("React",)),
    Repository(
        "checkout", "https://gitlab.com/acme/shop/checkout/-/merge_requests/", "Ruby", ("Rails",)
    ),
    Repository(
        "warehouse", "https://gitlab.com/acme/data/warehouse/-/merge_requests/", "SQL", ("dbt",)
    ),
    Repository(
        "reports",
        "https://dev.azure.com/acme/Finance/_git/reports/pullrequest/",
        "C#",
        (".NET", "NUnit"),
    ),
    Repository("ios-app", "https://github.com/acme/ios-app/pull/", "Swift", ("XCTest",)),
    Repository("android-app", "https://github.com/acme/android-app/pull/", "Kotlin", ("Gradle",)),
)

USER_ID_FORMS = (
    "google-oauth2|{number:021d}",
    "user_{code}",
    "auth0|{code}",
    "okta|acme-saml|{code}",
    "email|{code}",
)

# Category of a session (documented), what it is shown as below it, and what such work is called.
WORK: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "bug_fixing",
        ("Runtime Errors", "Flaky Tests", "Other"),
        (
            "Fix {part} returning 500 in {repo}",
            "Fix race in the {part} of {repo}",
            "{repo}: {part} loses its state after a retry",
        ),
    ),
    (
        "feature_development",
        ("API Endpoints", "User Interface", "Other"),
        ("Add {part} to {repo}", "Support exports in the {part} of {repo}", "{repo}: new {part}"),
    ),
    (
        "migrations_and_upgrades",
        ("Framework Upgrade", "Language Version"),
        ("Upgrade {tool} in {repo}", "Move the {part} of {repo} to {tool}"),
    ),
    (
        "unit_test_generation",
        ("Coverage", "Regression Tests"),
        ("Raise test coverage of {part} in {repo}", "Write regression tests for the {part}"),
    ),
    (
        "refactoring_and_optimization",
        ("Performance", "Code Structure"),
        ("Split the {part} module of {repo}", "Make the {part} of {repo} twice as fast"),
    ),
    (
        "ci_cd_and_devops",
        ("Pipelines", "Containers"),
        ("Cache {tool} dependencies in CI of {repo}", "Fix the release job of {repo}"),
    ),
    (
        "documentation_and_content",
        ("Reference", "Onboarding"),
        ("Document the {part} of {repo}", "Write an onboarding guide for {repo}"),
    ),
    (
        "code_quality_and_security",
        ("Dependency Alerts", "Linting"),
        ("Patch vulnerable {tool} version in {repo}", "Turn on strict linting in {repo}"),
    ),
    (
        "research_and_exploration",
        ("Investigation",),
        ("Find out why the {part} of {repo} is slow", "Compare options for the {part}"),
    ),
    (
        "data_and_automation",
        ("Reports", "Backfills"),
        ("Backfill {part} data in {repo}", "Automate the weekly {part} report"),
    ),
)

PARTS = (
    "login endpoint",
    "invoice export",
    "rate limiter",
    "search index",
    "webhook handler",
    "settings page",
    "payment retry",
    "audit trail",
    "session cache",
    "CSV importer",
    "notification queue",
    "price calculator",
)

# Work on these needs queries as well.
DATA_PARTS = ("invoice export", "search index", "audit trail", "CSV importer")

VAGUE_PROMPTS = (
    "Fix the {part}.",
    "{part} is broken, please have a look",
    "can you improve {repo}? thanks",
    "Same as last time but for the {part}.",
)
CLEAR_PROMPTS = (
    """{title}.

Expected: the {part} answers within 200 ms and keeps its order. Reproduce with `make test`
in {repo}; the failing test is `test_{slug}`. Open a pull request against `main` and keep the
public API unchanged.
""",
    """In {repo}, {title}. Touch only the {part}; follow the pattern of the neighbouring module.
Acceptance: all tests green, one new test per rule, no new dependency.""",
    """{title}. Context: customers see it since the last release. Logs are attached.
Start in `src/{slug}`, language {language}.""",
)

TAGS = (
    "bug-fix",
    "backend",
    "frontend",
    "migration",
    "tech-debt",
    "on-call",
    "security",
    "q3-goal",
    "good-first-task",
    "team: core",
    "Größe/klein",
)

# Status details of suspended sessions (documented), the common ones repeated.
SUSPENSIONS = (
    "inactivity",
    "inactivity",
    "inactivity",
    "user_request",
    "user_request",
    "usage_limit_exceeded",
    "out_of_credits",
    "payment_declined",
    "org_usage_limit_exceeded",
    "error",
)
RUNNING_DETAILS = ("working", "working", "waiting_for_user", "waiting_for_approval", "finished")
HUMAN_ORIGINS = ("webapp", "webapp", "webapp", "slack", "slack", "teams", "linear", "jira", "cli")
SERVICE_ORIGINS = ("api", "automation", "scheduled")

LABELS = (
    "Environment",
    "Configuration",
    "Testing",
    "Prompt",
    "Knowledge",
    "Permissions",
    "Dependencies",
)
IMPACTS = ("High", "Medium", "Medium", "Low")
ISSUES = {
    "Environment": "The machine had no {tool}; building {repo} took several attempts",
    "Configuration": "Missing environment variables for the {part}",
    "Testing": "The tests of the {part} could not be run locally",
    "Prompt": "The prompt did not say which {part} was meant",
    "Knowledge": "The conventions of {repo} were unknown and had to be guessed",
    "Permissions": "No permission to push to {repo}",
    "Dependencies": "The lock file of {repo} did not resolve with {tool}",
}
ACTIONS = {
    "Environment": ("machine_setup", "Install {tool} in the machine snapshot of {repo}"),
    "Configuration": ("machine_setup", "Configure environment variables for the {part}"),
    "Testing": ("repo_config", "Add a `make test` target to {repo} that runs offline"),
    "Prompt": ("prompt_improvement", "Name the {part} and the acceptance criteria"),
    "Knowledge": ("knowledge", "Write a knowledge note about the conventions of {repo}"),
    "Permissions": ("repo_config", "Grant Devin write access to {repo}"),
    "Dependencies": ("repo_config", "Pin {tool} in {repo}"),
}
TIMELINE = (
    ("Started repository setup", "Devin cloned {repo} and read its README", "blue"),
    ("Explored the code", "Devin looked for the {part} and its callers", "blue"),
    ("Hit a problem", "Work on the {part} stopped for several minutes", "red"),
    ("Wrote the change", "Devin changed the {part} and its tests", "green"),
    ("Ran the tests", "The suite of {repo} passed after two attempts", "green"),
    ("Opened a pull request", "Devin described the change and asked for review", "purple"),
    ("Answered review comments", "Devin renamed two functions in the {part}", "yellow"),
)
FEEDBACK = (
    ("Prompt too vague", "The prompt should specify which {part} and give more context"),
    ("No acceptance criteria", "Say how to tell that the {part} works"),
    ("Missing reproduction", "Name the failing test or the request that fails"),
    ("Several tasks at once", "Ask for one change to {repo} at a time"),
)
NOTES = (
    ("Use the shared test database", "The note named a database that no longer exists"),
    ("Run the formatter before a commit", "Saved one round of review"),
    ("Release branches start with rel/", "Followed when the branch was made"),
    ("Secrets live in the vault", "The path in the note is out of date"),
)
