"""Reads what git said when a requirement from a repository could not be fetched."""

from __future__ import annotations

import re

from buildpack.installers.diagnosis.network_errors import GitError

FETCHED = re.compile(r"git fetch [^`]*?'(?P<url>[^']+)'|Updating (?P<other>\S+) \(")
STDERR = re.compile(r"--- stderr (?P<said>.*?)(?: hint:|$)")

NO_SUCH_REF = "it does not have the branch, tag or commit that is asked for"
CORRECT_REF = "Correct what stands behind the last @ of the URL."

SIGNS = (
    (
        r"Git executable not found",
        "the build machine has no git program",
        "Install git on the build machine, or ask for a released version of the package.",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|terminal prompts disabled"
        r"|HTTP Basic: Access denied|requested URL returned error: 40[13]"
        r"|Invalid username or (password|token)",
        "it wants to know who is asking",
        "Give a token that may read it, in a config var, and name that in the URL:\n\n"
        "    package @ git+https://${GIT_TOKEN}@git.example.com/team/package.git@v1.0\n\n"
        "The value is never shown and is in no file of the slug.",
    ),
    (
        r"Permission denied \(publickey|Host key verification failed|Could not read from remote",
        "it cannot be reached by ssh with the keys of the build machine",
        "A build has no ssh key of yours. Use https and a token in a config var:\n\n"
        "    package @ git+https://${GIT_TOKEN}@git.example.com/team/package.git@v1.0",
    ),
    (
        r"couldn't find remote ref|not our ref|unadvertised object|revspec .* not found",
        NO_SUCH_REF,
        CORRECT_REF,
    ),
    (
        r"repository '?[^']*'? not found|Repository not found|does not appear to be a git",
        "there is no such repository, or it does not show itself to strangers",
        "Correct the URL. If the repository is private, give a token in a config var:\n\n"
        "    package @ git+https://${GIT_TOKEN}@git.example.com/team/package.git@v1.0",
    ),
    (
        r"Could not resolve host",
        "its host's name cannot be resolved (DNS)",
        "Check the URL, and the network of the build machine.",
    ),
    (
        r"Failed to connect|Connection refused|timed out|Couldn't connect|unable to access",
        "its host cannot be reached",
        "Check the URL, and the network of the build machine.",
    ),
    # What uv says whatever the reason was: for when git gave none.
    (r"failed to fetch branch or tag|failed to find branch, tag", NO_SUCH_REF, CORRECT_REF),
)
"""What git says, what that means, what to do; the first match wins."""


def git_failure(text: str) -> GitError:
    """The error for uv's report of a failed git command, all in one line."""
    match = FETCHED.search(text)
    url = (match["url"] or match["other"]) if match else ""
    for sign, reason, advice in SIGNS:
        if re.search(sign, text):
            return GitError(url, reason, advice)
    said = STDERR.search(text)
    reason = said["said"] if said else text.rpartition(" cause: ")[2]
    return GitError(url, reason, "Try the same with git on your machine.")
