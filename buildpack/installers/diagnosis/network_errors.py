"""What can go wrong between the build machine and a package index or a git server."""

from __future__ import annotations

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.urls import without_password


class IndexUnreachableError(SlugkitError):
    """The package index does not answer, which says nothing about the packages."""

    exit_code = ExitCode.TRY_AGAIN
    id = "install::index-unreachable"

    def __init__(self, index: str, reason: str) -> None:
        self.index, self.reason = without_password(index), reason
        super().__init__(
            "The package index cannot be reached",
            details=f"{self.index}: {reason}.",
            resolution="Your requirements may be fine. Check the network and any proxy\n"
            "settings of the build machine, then build again. To use another\n"
            "index, set PIP_INDEX_URL.",
        )


class FileUnreachableError(IndexUnreachableError):
    """The server of a file that a requirement names by its URL does not answer."""

    id = "install::file-unreachable"

    def __init__(self, package: str, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.package = package
        self.brief = f"The file of {package} cannot be reached"
        self.resolution = (
            "Your requirements name it by its URL. Check that, and the network and any proxy\n"
            "settings of the build machine."
        )
        self.args = (self.brief,)


class IndexTlsError(SlugkitError):
    """The package index cannot prove who it is."""

    exit_code = ExitCode.UNAVAILABLE
    id = "install::index-tls"

    def __init__(self, index: str, reason: str) -> None:
        self.index, self.reason = without_password(index), reason
        super().__init__(
            "The TLS certificate of the package index is not trusted",
            details=f"{self.index}: {reason}.",
            resolution="Nothing was tried without verification. If the index has a certificate\n"
            "of your own authority, name the file of that authority in PIP_CERT or\n"
            "SSL_CERT_FILE. If not, somebody may stand between you and the index.",
        )


class ProxyError(SlugkitError):
    """A proxy is set, and it does not answer or does not let us through."""

    exit_code = ExitCode.TRY_AGAIN
    id = "install::proxy"

    def __init__(self, proxy: str, reason: str) -> None:
        self.proxy, self.reason = without_password(proxy), reason
        super().__init__(
            "The proxy does not let the build reach the package index",
            details=f"{self.proxy or 'The proxy'}: {reason}.",
            resolution="It is set in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY. Correct or unset it;\n"
            "NO_PROXY names hosts that are reached without it.",
        )


class IndexAccessError(SlugkitError):
    """The package index wants to know who is asking."""

    exit_code = ExitCode.DATA
    id = "install::index-access"

    def __init__(self, index: str, status: str) -> None:
        self.index, self.status = without_password(index), status
        super().__init__(
            "The package index refused access",
            details=f"{self.index} answered with HTTP status {status}.",
            resolution="Give a user name and a password as config vars. For requirements.txt, in\n"
            "the index's URL:\n\n"
            "    PIP_EXTRA_INDEX_URL=https://USER:PASSWORD@index.example.com/simple\n\n"
            "For an index that has a name in uv's or Poetry's settings, by its name:\n\n"
            "    UV_INDEX_NAME_USERNAME, UV_INDEX_NAME_PASSWORD\n"
            "    POETRY_HTTP_BASIC_NAME_USERNAME, POETRY_HTTP_BASIC_NAME_PASSWORD",
        )


class GitError(SlugkitError):
    """A requirement from a git repository could not be fetched."""

    id = "install::vcs"

    def __init__(self, url: str, reason: str, advice: str) -> None:
        self.url, self.reason = without_password(url), reason
        super().__init__(
            "A git repository in your requirements could not be fetched",
            details=f"{self.url}: {reason}" if self.url else reason,
            resolution=advice,
        )
