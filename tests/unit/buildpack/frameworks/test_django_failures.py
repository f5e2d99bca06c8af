"""django_failures: each class of collectstatic's failures is told, with what is at fault."""

from __future__ import annotations

import pytest

from buildpack.frameworks.django_failures import (
    CONFIGURATION,
    MISSING_FILE,
    OTHER,
    REFERENCES,
    SYNTAX,
    Failure,
    explain_failure,
)

BUILD = "/tmp/build_1"


def traceback(*frames: tuple[str, int], end: str) -> list[str]:
    lines = ["Traceback (most recent call last):"]
    for path, line in frames:
        lines += [f'  File "{path}", line {line}, in <module>', "    some_code()"]
    return [*lines, *end.splitlines()]


def explain(lines: list[str], **env: str) -> Failure:
    return explain_failure(lines, BUILD, env)


DJANGO = (f"{BUILD}/.heroku/venv/lib/python3.13/site-packages/django/conf/__init__.py", 81)
SETTINGS = (f"{BUILD}/mysite/settings.py", 12)


def test_a_variable_read_from_os_environ_is_named_with_its_place() -> None:
    lines = traceback(DJANGO, SETTINGS, ("<frozen os>", 679), end="KeyError: 'SECRET_KEY'")
    lines[-2] = "    SECRET_KEY = os.environ['SECRET_KEY']"
    found = explain(lines)
    assert (found.reason_id, found.subject) == (CONFIGURATION, "SECRET_KEY")
    assert found.meaning == (
        "The config var SECRET_KEY is not set. Your app reads it in mysite/settings.py, line 12."
    )
    assert found.advice.startswith("Set SECRET_KEY: collectstatic reads all settings of your app,")


@pytest.mark.parametrize(
    ("end", "name"),
    [
        ("django.core.exceptions.ImproperlyConfigured: Set the EMAIL_URL environment variable",
         "EMAIL_URL"),
        ("decouple.UndefinedValueError: API_KEY not found. Declare it as envvar or define a "
         "default value.", "API_KEY"),
        ('environs.exceptions.EnvError: Environment variable "SALT" not set', "SALT"),
        ("django.core.exceptions.ImproperlyConfigured: Requested setting INSTALLED_APPS, but "
         "settings are not configured. You must either define the environment variable "
         "DJANGO_SETTINGS_MODULE or call settings.configure()", "DJANGO_SETTINGS_MODULE"),
        ("RuntimeError: Missing environment variable: STRIPE_KEY", "STRIPE_KEY"),
        ("ValueError: The AWS_BUCKET environment variable must be set", "AWS_BUCKET"),
    ],
)  # fmt: skip
def test_packages_that_read_the_environment_are_understood(end: str, name: str) -> None:
    found = explain(traceback(SETTINGS, end=end))
    assert (found.reason_id, found.subject) == (CONFIGURATION, name)


def test_all_fields_that_pydantic_misses_are_named() -> None:
    end = (
        "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings\n"
        "secret_key\n  Field required [type=missing, input_value={}, input_type=dict]\n"
        "database_url\n  Field required [type=missing, input_value={}, input_type=dict]"
    )
    assert explain(traceback(SETTINGS, end=end)).subject == "SECRET_KEY, DATABASE_URL"


def test_a_variable_that_is_set_and_empty_is_told_from_one_that_is_not() -> None:
    end = "django.core.exceptions.ImproperlyConfigured: Set the DEBUG_KEY environment variable"
    assert explain([end], DEBUG_KEY="").meaning == "The config var DEBUG_KEY is empty."


def test_another_key_error_is_no_config_var() -> None:
    found = explain(traceback(SETTINGS, end="KeyError: 'colour'"))
    assert (found.reason_id, found.line) == (OTHER, "KeyError: 'colour'")


@pytest.mark.parametrize(
    ("text", "setting", "advice"),
    [
        ("You're using the staticfiles app without having set the STATIC_ROOT setting to a "
         "filesystem path.", "STATIC_ROOT", 'STATIC_ROOT = BASE_DIR / "staticfiles"'),
        ("The SECRET_KEY setting must not be empty.", "SECRET_KEY", "It is empty while the app"),
        ("settings.DATABASES is improperly configured.", "DATABASES", "Correct it in your app"),
        ("Something odd", "", "Correct it in your app's settings"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_right_is_named(text: str, setting: str, advice: str) -> None:
    end = f"django.core.exceptions.ImproperlyConfigured: {text}"
    found = explain(traceback(DJANGO, end=end), DJANGO_SETTINGS_MODULE="mysite.prod")
    assert (found.reason_id, found.subject) == (CONFIGURATION, setting)
    assert advice in found.advice
    assert "mysite.prod" in found.advice


def test_django_without_any_settings_is_told_which_variable_says_where_they_are() -> None:
    found = explain(["No Django settings specified.", "Unknown command: 'collectstatic'"])
    assert (found.reason_id, found.subject) == (CONFIGURATION, "DJANGO_SETTINGS_MODULE")
    assert found.advice == "Set the config var DJANGO_SETTINGS_MODULE, such as mysite.settings."


@pytest.mark.parametrize("kind", ["SyntaxError: invalid syntax", "IndentationError: unexpected"])
def test_a_syntax_error_is_named_by_file_and_line(kind: str) -> None:
    lines = traceback(
        SETTINGS, end=f'  File "{BUILD}/polls/apps.py", line 3\n    def x(\n         ^\n{kind}'
    )
    found = explain(lines)
    assert (found.reason_id, found.subject) == (SYNTAX, "polls/apps.py, line 3")
    assert found.meaning == "Python cannot read polls/apps.py, line 3."


def test_a_reference_in_css_names_both_files() -> None:
    lines = [
        "Post-processing 'css/a.css' failed!",
        *traceback(
            DJANGO,
            end="whitenoise.storage.MissingFileError: The file 'img/gone.png' could not be found "
            "with <whitenoise.storage.CompressedManifestStaticFilesStorage object at 0x7f>.\n\n"
            "The CSS file 'css/a.css' references a file which could not be found:\n  img/gone.png",
        ),
    ]
    found = explain(lines)
    assert (found.reason_id, found.subject) == (REFERENCES, "img/gone.png")
    assert found.meaning == (
        "'css/a.css' refers to 'img/gone.png', and no such static file was found."
    )


def test_django_itself_complains_of_a_reference_in_other_words() -> None:
    lines = [
        "Post-processing 'css/a.css' failed!",
        *traceback(DJANGO, end="ValueError: The file 'css/b.css' could not be found with <x>."),
    ]
    assert explain(lines).meaning.startswith("'css/a.css' refers to 'css/b.css'")


def test_a_missing_file_is_named_from_the_root_of_the_app_with_who_wanted_it() -> None:
    end = f"FileNotFoundError: [Errno 2] No such file or directory: '{BUILD}/assets/logo.svg'"
    found = explain(traceback(SETTINGS, DJANGO, end=end))
    assert (found.reason_id, found.subject) == (MISSING_FILE, "assets/logo.svg")
    assert found.meaning == (
        "'assets/logo.svg' is missing. It was wanted in mysite/settings.py, line 12."
    )


@pytest.mark.parametrize(
    ("end", "meaning"),
    [
        ("PermissionError: [Errno 13] Permission denied: '/etc/key'",
         "'/etc/key' may not be read or written."),
        ("OSError: disk on fire", "A file or directory is missing, or cannot be used."),
    ],
)  # fmt: skip
def test_other_errors_of_the_system(end: str, meaning: str) -> None:
    found = explain(traceback(end=end))
    assert (found.reason_id, found.meaning) == (MISSING_FILE, meaning)


def test_a_module_that_is_not_installed_is_named() -> None:
    found = explain(traceback(DJANGO, end="ModuleNotFoundError: No module named 'debug_toolbar'"))
    assert (found.reason_id, found.subject) == (OTHER, "debug_toolbar")
    assert found.meaning == (
        "Your app imports 'debug_toolbar', which is neither one of its own modules\nnor installed."
    )


@pytest.mark.parametrize(
    ("source", "end", "name"),
    [
        ('HOSTS = os.getenv("HOSTS").split(",")',
         "AttributeError: 'NoneType' object has no attribute 'split'", "HOSTS"),
        ("DEBUG = int(os.environ.get('DEBUG'))",
         "TypeError: int() argument must be a string, a bytes-like object or a real number, not "
         "'NoneType'", "DEBUG"),
    ],
)  # fmt: skip
def test_a_variable_that_is_read_as_if_it_were_set_is_named(
    source: str, end: str, name: str
) -> None:
    lines = traceback(DJANGO, SETTINGS, end=end)
    lines[-2] = f"    {source}"
    found = explain(lines)
    assert (found.reason_id, found.subject) == (CONFIGURATION, name)
    assert found.meaning == (
        f"The config var {name} is not set. Your app reads it in mysite/settings.py, line 12."
    )
    assert explain(lines, **{name: "1"}).reason_id == OTHER


def test_whatever_else_it_is_the_place_is_named() -> None:
    found = explain(traceback(SETTINGS, DJANGO, end="ZeroDivisionError: division by zero"))
    assert (found.reason_id, found.line) == (OTHER, "ZeroDivisionError: division by zero")
    assert found.meaning == "It came to that in mysite/settings.py, line 12."


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("PIL", "'PIL' is what a program imports. The package is called pillow: ask for that."),
        ("pkg_resources", "'pkg_resources' is a part of setuptools: require setuptools<81."),
        ("distutils", "'distutils' is a part of setuptools: require setuptools<81."),
    ],
)  # fmt: skip
def test_a_module_that_is_not_called_like_its_package(module: str, advice: str) -> None:
    end = f"ModuleNotFoundError: No module named '{module}'"
    assert explain(traceback(SETTINGS, end=end)).advice == advice


@pytest.mark.parametrize("module", ["tkinter", "imp", "calendar.urls", "yaml.shop"])
def test_parts_of_python_and_of_packages_that_are_there_are_no_packages(module: str) -> None:
    found = explain(traceback(SETTINGS, end=f"ModuleNotFoundError: No module named '{module}'"))
    assert found.advice.startswith("If it is a package, add it to your app's requirements.")


def test_settings_used_before_manage_py_names_them_are_told_as_that() -> None:
    end = (
        "django.core.exceptions.ImproperlyConfigured: Requested setting DEBUG, but settings are "
        "not configured. You must either define the environment variable DJANGO_SETTINGS_MODULE "
        "or call settings.configure() before accessing settings."
    )
    lines = traceback((f"{BUILD}/manage.py", 3), (f"{BUILD}/shop/hello.py", 7), DJANGO, end=end)
    found = explain(lines, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert found.meaning == (
        "Your app uses settings of Django in shop/hello.py, line 7, before\n"
        "manage.py says which they are."
    )
    assert found.advice.startswith("Set the config var DJANGO_SETTINGS_MODULE=mysite.settings, or")


def test_a_settings_module_that_is_not_there_is_the_fault_of_its_variable() -> None:
    lines = traceback(DJANGO, end="ModuleNotFoundError: No module named 'mysite.production'")
    found = explain(lines, DJANGO_SETTINGS_MODULE="mysite.production")
    assert found.meaning == (
        "DJANGO_SETTINGS_MODULE is 'mysite.production', and there is no 'mysite.production'."
    )
    assert found.advice == (
        "Correct it where it is set, in the config var or in manage.py: it is the\n"
        "dotted name of your app's settings, seen from manage.py, without '.py'."
    )


def test_the_last_exception_counts_not_one_it_replaced() -> None:
    first = traceback(end="FileNotFoundError: [Errno 2] No such file: 'x'")
    last = traceback(
        SETTINGS,
        end="django.core.exceptions.ImproperlyConfigured: The STATIC_URL setting is odd",
    )
    between = ["", "During handling of the above exception, another exception occurred:", ""]
    assert explain([*first, *between, *last]).subject == "STATIC_URL"


@pytest.mark.parametrize(
    ("end", "what"),
    [
        ("django.db.utils.OperationalError: no such table: auth_user", "its database"),
        ('django.db.utils.ProgrammingError: relation "auth_user" does not exist\nLINE 1: SELECT',
         "its database"),
        ("psycopg.OperationalError: connection failed: refused\n\tIs the server running?",
         "its database"),
        ("redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379.",
         "another service"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "another service"),
    ],
)  # fmt: skip
def test_what_is_asked_before_anything_runs_is_told_to_be_asked_later(end: str, what: str) -> None:
    found = explain(traceback((f"{BUILD}/shop/apps.py", 6), DJANGO, end=end))
    assert found == Failure(
        reason_id=OTHER,
        line=end.partition("\n")[0],
        meaning=f"Your app asks {what} in shop/apps.py, line 6. A build may have none,\n"
        "or one in which nothing has been set up yet.",
        advice="Ask later than that: in views, tasks and commands, not while modules are "
        "imported,\nnor in ready() of an AppConfig. Without static files of your own, set "
        "DISABLE_COLLECTSTATIC=1.",
    )


def test_no_output_at_all_has_no_line_to_show() -> None:
    assert explain([]).line == ""
