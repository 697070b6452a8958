"""The package as a project of somebody else has it: pytest, with the wheel installed."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from portcullis_server import Portcullis, PortcullisError

PASSWORD = "correct horse battery"
LOGIN = "mutation($input: LoginInput!) { login(input: $input) { ... on AuthPayload { user { username role } } } }"
COMMAND = Path(sys.executable).with_name("portcullis-server")


def call(url, query, variables=None, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    body = json.dumps({"query": query, "variables": variables or {}}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/graphql", body, headers), timeout=30) as answer:
        return json.load(answer)


def register(server, username, **more):
    query = "mutation($input: RegisterInput!) { register(input: $input) { ... on AuthPayload { accessToken } } }"
    given = {"username": username, "email": f"{username}@example.com", "password": PASSWORD, **more}
    answer = call(server.url, query, {"input": given})
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else answer["data"]["register"].get("accessToken")


def login(server, identifier, password=PASSWORD):
    return call(server.url, LOGIN, {"input": {"identifier": identifier, "password": password}})["data"]["login"].get("user")


@pytest.fixture(scope="session")
def portcullis_options():
    return {"args": ["--password-min-length=12"]}


def test_somebody_registers_signs_in_and_confirms_their_address(portcullis):
    token = register(portcullis, "alice")
    assert login(portcullis, "alice")["username"] == "alice"
    mail = portcullis.wait_for_mail(to="alice@example.com", kind="verify-email")
    assert mail.link == f"{portcullis.url}/account/verify-email#{mail.token}"
    verify = "mutation($input: VerifyEmailInput!) { verifyEmail(input: $input) { outcome } }"
    call(portcullis.url, verify, {"input": {"token": mail.token, "password": PASSWORD}})
    assert call(portcullis.url, "{ me { emailVerified } }", token=token)["data"]["me"]["emailVerified"] is True


def test_the_fixture_is_the_server_of_the_session_with_its_options(portcullis):
    assert login(portcullis, "alice")["username"] == "alice"
    assert call(portcullis.url, "{ config { password { lengthMin } } }")["data"]["config"]["password"]["lengthMin"] == 12


def test_a_subject_that_is_not_ascii_is_read(portcullis):
    register(portcullis, "bruno", locale="DE")
    assert portcullis.wait_for_mail(to="bruno@example.com").subject == "Bestätige deine Adresse"
    assert portcullis.mails(kind="password-reset") == []


def test_a_code_in_a_mail_is_found():
    with Portcullis(env={"REQUIRE_SECOND_FACTOR": "all"}) as server:
        register(server, "carol")
        login(server, "carol")
        assert len(server.wait_for_mail(kind="enrollment-code").code) == len("1234 5678")


def test_many_may_register_from_one_address(portcullis):
    assert all(register(portcullis, f"user{number}").startswith("ey") for number in range(10))


def test_verbs_work_on_the_same_data(portcullis):
    create = ["admin", "create", "--username=boss", "--email=boss@example.com", "--password-file=/dev/stdin"]
    portcullis.run(create, input="a long passphrase\n")
    assert login(portcullis, "boss", "a long passphrase")["role"] == "ADMIN"
    with pytest.raises(PortcullisError, match="no account"):
        portcullis.run(["admin", "promote", "nobody"])


def test_settings_are_those_of_the_test_and_none_of_the_environment_or_of_a_env_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("REGISTRATION=closed\n")
    monkeypatch.setenv("REGISTRATION", "closed")
    monkeypatch.setenv("DATABASE_URL", "postgres://127.0.0.1:1/production")
    with Portcullis() as open_server, Portcullis(env={"REGISTRATION": "closed"}) as closed:
        assert open_server.url != closed.url
        assert register(open_server, "alice").startswith("ey")
        assert register(closed, "alice") == "FORBIDDEN"


def test_a_server_that_is_quiet_starts_too():
    lines = []
    with Portcullis(env={"RUST_LOG": "error"}, on_log=lines.append) as server:
        assert register(server, "alice").startswith("ey")
    assert len(lines) == 1 and "listening" in lines[0]


def test_nothing_is_left_behind():
    with Portcullis() as server:
        assert server.data_dir.exists() and server.is_running()
    server.stop()
    assert not server.data_dir.parent.exists() and not server.is_running()
    with pytest.raises(OSError):
        urllib.request.urlopen(server.url)


def test_what_keeps_a_server_from_starting_is_told():
    with pytest.raises(PortcullisError, match="REGISTRATION"):
        Portcullis(env={"REGISTRATION": "nonsense"})
    with pytest.raises(FileNotFoundError):
        Portcullis(binary="/nowhere")
    with pytest.raises(ValueError, match="use `port`"):
        Portcullis(args=["--listen=0.0.0.0:80"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(PortcullisError, match="cannot listen on"):
            Portcullis(port=taken.getsockname()[1])


def test_a_program_that_forgets_to_stop_leaves_no_process_and_no_data():
    program = "from portcullis_server import Portcullis; s = Portcullis(); print(s.pid, s.data_dir)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    pid, data_dir = told.split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert not Path(data_dir).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_listens_and_ends_on_a_signal(number):
    with subprocess.Popen([COMMAND, "--registration=invite"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        told = json.loads(process.stdout.readline())
        assert call(told["url"], "{ config { registration } }")["data"]["config"]["registration"] == "INVITE"
        os.kill(told["pid"], number)
        assert process.wait(20) == 0
        assert b"listening on" in process.stderr.read()
    assert not Path(told["dataDir"]).exists()


def test_the_command_tells_its_version_and_what_is_wrong():
    def run(*args):
        return subprocess.run([COMMAND, *args], capture_output=True, text=True)

    assert run("--version").stdout.split(".")[0].isdigit()
    assert run("--port=web").returncode == 2
    wrong = run("--nonsense")
    assert wrong.returncode == 1 and "--nonsense" in wrong.stderr
