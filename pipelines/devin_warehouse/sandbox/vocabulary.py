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

SHOP_WEB = Repository(
    "shop-web", "https://github.com/acme/shop-web/pull/", "TypeScript", ("React",)
)
# Two of each organization, in their order.
REPOSITORIES = (
    Repository("billing-api", "https://github.com/acme/billing-api/pull/", "Python", ("FastAPI",)),
    Repository("ledger", "https://github.com/acme/ledger/pull/", "Java", ("Spring", "Gradle")),
    Repository("infra", "https://github.com/acme/infra/pull/", "HCL", ("Terraform",)),
    Repository("gateway", "https://github.com/acme/gateway/pull/", "Go", ("gRPC",)),
    SHOP_WEB,
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

MIGRATIONS = "migrations_and_upgrades"
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
        MIGRATIONS,
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


class Finding(NamedTuple):
    """What an analysis finds fault with, how much it may matter, and what would settle it."""

    label: str
    issue: str
    action_type: str
    action: str
    impacts: tuple[str, ...] = ("High", "Medium", "Medium", "Medium", "Low", "Low")


BROKEN_ENVIRONMENT = Finding(
    "Environment",
    "The machine had no {tool}; building {repo} took several attempts",
    "machine_setup",
    "Install {tool} in the machine snapshot of {repo}",
    ("High",),
)
NO_REGISTRY_TOKEN = Finding(
    "Environment",
    "Installing the dependencies of acme/shop-web failed: registry.acme.example answers 401, and"
    " the machine holds no token for it",
    "machine_setup",
    "Add the registry token to the machine setup of acme/shop-web",
    ("High",),
)
TOO_MUCH_AT_ONCE = Finding(
    "Scope",
    "Everything in {repo} was to move to another {tool} at once; each repair broke another part",
    "prompt_improvement",
    "Ask for the upgrade of {repo} in steps, each with a green build",
    ("High",),
)
VAGUE_PROMPT = Finding(
    "Prompt",
    "The prompt did not say which {part} was meant",
    "prompt_improvement",
    "Name the {part} of {repo} and the acceptance criteria",
)
# What may be found anywhere.
FINDINGS = (
    VAGUE_PROMPT,
    Finding(
        "Configuration",
        "Missing environment variables for the {part}",
        "machine_setup",
        "Configure environment variables for the {part}",
    ),
    Finding(
        "Testing",
        "The tests of the {part} could not be run locally",
        "repo_config",
        "Add a `make test` target to {repo} that runs offline",
    ),
    Finding(
        "Knowledge",
        "The conventions of {repo} were unknown and had to be guessed",
        "knowledge",
        "Write a knowledge note about the conventions of {repo}",
    ),
    Finding(
        "Permissions",
        "No permission to push to {repo}",
        "repo_config",
        "Grant Devin write access to {repo}",
    ),
    Finding(
        "Dependencies",
        "The lock file of {repo} did not resolve with {tool}",
        "repo_config",
        "Pin {tool} in {repo}",
    ),
)
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


class Note(NamedTuple):
    """A knowledge note, why it helped or hurt, and the share of its uses in which it hurt."""

    message: str
    helped: str
    hurt: str
    misleads: float


REGISTRY_NOTE = Note(
    "Packages come from the public registry",
    "The dependencies were installed at the first attempt",
    "shop-web takes its packages from registry.acme.example now; following the note, the install"
    " asked the public registry and failed",
    0,
)
NOTES = (
    Note(
        "Use the shared test database",
        "The tests ran without a database of their own",
        "The note names a database that no longer exists",
        0.08,
    ),
    Note(
        "Run the formatter before a commit",
        "Saved one round of review",
        "The formatter changed files that are generated",
        0.03,
    ),
    Note(
        "Release branches start with rel/",
        "Followed when the branch was made",
        "The repository has no release branches",
        0.05,
    ),
    Note(
        "Secrets live in the vault",
        "The credentials were found at once",
        "The path in the note is out of date",
        0.1,
    ),
    REGISTRY_NOTE,
)
