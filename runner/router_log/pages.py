"""What a client is shown when no web container answers it: a page, or three lines for a program."""

from __future__ import annotations

from collections.abc import Mapping

from runner.router_log.rules import REQUEST_ID, RequestRules, skipping

_TITLE, _TEXT, _RETRY = "{slug_run.title}", "{slug_run.text}", "{slug_run.retry}"

_PLAIN = f"{_TITLE}\n{_TEXT}\nRequest {REQUEST_ID}\n"
_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_TITLE}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }}
body {{ margin: 18vh auto 0; max-width: 34rem; padding: 0 1.5rem; }}
h1 {{ font-size: 1.4rem; }}
small {{ opacity: .7; }}
</style>
</head>
<body>
<h1>{_TITLE}</h1>
<p>{_TEXT}</p>
<p><small>Request {REQUEST_ID}</small></p>
</body>
</html>
"""


def error_routes(rules: RequestRules) -> list[Mapping[str, object]]:
    """How Caddy answers in the place of a web container: always with 503, as Heroku does.

    What went wrong here is told here, whoever tells of the rest.
    """
    seconds = rules.timeout or 0.0
    limit = f"{seconds:g} second{'' if seconds == 1 else 's'}"
    words = {
        "handler": "map",
        "source": "{http.error.status_code}",
        "destinations": [_TITLE, _TEXT, _RETRY],
        "mappings": [
            {
                "input": "504",
                "outputs": [
                    "The app takes too long",
                    f"It did not begin to answer within {limit}.",
                    "30",
                ],
            },
            {
                "input": "502",
                "outputs": [
                    "The app did not answer",
                    "It closed the connection, or could not be reached. Its log says more.",
                    "1",
                ],
            },
        ],
        "defaults": [
            "The app is not up",
            "None of its web containers answers at the moment. Its log says more.",
            "1",
        ],
    }
    wants_page = {"header": {"Accept": ["*text/html*"]}}
    return [
        {"handle": [*skipping(rules, skip=False), words]},
        {"match": [wants_page], "handle": [_answer(_PAGE, "text/html")], "terminal": True},
        {"handle": [_answer(_PLAIN, "text/plain")]},
    ]


def _answer(body: str, content_type: str) -> Mapping[str, object]:
    headers = {
        "Retry-After": [_RETRY],
        "Cache-Control": ["no-store"],
        "Content-Type": [f"{content_type}; charset=utf-8"],
    }
    return {"handler": "static_response", "status_code": 503, "headers": headers, "body": body}
