"""Planted secrets of many kinds, and harmless things that look like them; drawn, none is real."""

import base64
import json
import random
import string
import uuid

LETTERS = string.ascii_letters
ALNUM = LETTERS + string.digits
UPPER = string.ascii_uppercase + string.digits
LOWER = string.ascii_lowercase + string.digits
HEX = "0123456789abcdef"
B64 = ALNUM + "+/"
URL64 = ALNUM + "-_"


def draw(rng, alphabet, length):
    return "".join(rng.choices(alphabet, k=length))


def pem(rng, kind, lines=12):
    body = "\n".join(draw(rng, B64, 64) for _ in range(lines))
    return f"-----BEGIN {kind}PRIVATE KEY-----\nMII{body[3:]}\n-----END {kind}PRIVATE KEY-----"


def jwt(rng):
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = base64.urlsafe_b64encode(
        json.dumps({"sub": draw(rng, LOWER, 10), "iat": rng.randrange(10**9)}).encode()
    )
    return ".".join((head.decode().strip("="), body.decode().strip("="), draw(rng, URL64, 43)))


def person(rng):
    first, last = draw(rng, string.ascii_lowercase, 6), draw(rng, string.ascii_lowercase, 8)
    host = draw(rng, string.ascii_lowercase, 7)
    return rng.choice(
        [f"{first}.{last}@{host}.com", f"{first}@mail.{host}.co.uk", f"{first}+x@{host}.io"]
    )


# kind: (text around it, with {} for the secret, what draws the secret)
KINDS = {
    "aws-access-key": (
        ["export AWS_ACCESS_KEY_ID={}", '{{"AccessKeyId": "{}"}}', "aws_access_key_id = {}"],
        lambda r: "AKIA" + draw(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    ),
    "aws-secret-key": (
        ["AWS_SECRET_ACCESS_KEY={}", "aws_secret_access_key = {}", '"SecretAccessKey": "{}"'],
        lambda r: draw(r, B64, 40),
    ),
    "github-token": (
        ["GITHUB_TOKEN={}", "git clone https://{}@github.com/o/r", "the token {} was used"],
        lambda r: r.choice(["ghp_", "gho_", "ghs_"]) + draw(r, ALNUM, 36),
    ),
    "github-fine-grained": (
        ["token: {}", "curl -H 'Authorization: Bearer {}' https://api.github.com"],
        lambda r: "github_pat_" + draw(r, ALNUM, 22) + "_" + draw(r, ALNUM, 59),
    ),
    "gitlab-token": (
        ["PRIVATE-TOKEN: {}", "glab auth login --token {}"],
        lambda r: "glpat-" + draw(r, URL64, 20),
    ),
    "anthropic-key": (
        ["ANTHROPIC_API_KEY={}", "client = Anthropic(api_key='{}')"],
        lambda r: "sk-ant-api03-" + draw(r, URL64, 93) + "AA",
    ),
    "openai-key": (
        ["OPENAI_API_KEY={}", "openai.api_key = '{}'"],
        lambda r: "sk-proj-" + draw(r, URL64, 74) + "T3BlbkFJ" + draw(r, URL64, 74),
    ),
    "openai-old-key": (
        ["OPENAI_API_KEY={}", "I used the key {} for this"],
        lambda r: "sk-" + draw(r, ALNUM, 20) + "T3BlbkFJ" + draw(r, ALNUM, 20),
    ),
    "slack-token": (
        ["SLACK_BOT_TOKEN={}", "slack = WebClient(token='{}')"],
        lambda r: (
            f"xoxb-{draw(r, '123456789', 12)}-{draw(r, '123456789', 13)}-{draw(r, ALNUM, 24)}"
        ),
    ),
    "slack-webhook": (
        ["curl -X POST {}", "SLACK_URL={}"],
        lambda r: (
            "https://hooks.slack.com/services/T"
            f"{draw(r, UPPER, 10)}/B{draw(r, UPPER, 10)}/{draw(r, ALNUM, 24)}"
        ),
    ),
    "stripe-key": (
        ["STRIPE_SECRET_KEY={}", 'stripe.api_key = "{}"'],
        lambda r: r.choice(["sk_live_", "rk_live_"]) + draw(r, ALNUM, 24),
    ),
    "google-key": (
        ["GOOGLE_API_KEY={}", "https://maps.googleapis.com/maps/api/js?key={}"],
        lambda r: "AIza" + draw(r, URL64, 35),
    ),
    "hugging-face": (
        ["HF_TOKEN={}", "huggingface-cli login --token {}"],
        lambda r: "hf_" + draw(r, LETTERS, 34),
    ),
    "npm-token": (
        ["//registry.npmjs.org/:_authToken={}", "NPM_TOKEN={}"],
        lambda r: "npm_" + draw(r, ALNUM, 36),
    ),
    "pypi-token": (
        ["TWINE_PASSWORD={}", "password = {}"],
        lambda r: "pypi-AgEIcHlwaS5vcmc" + draw(r, URL64, 160),
    ),
    "sendgrid-key": (
        ["SENDGRID_API_KEY={}", "key={}"],
        lambda r: f"SG.{draw(r, URL64, 22)}.{draw(r, URL64, 43)}",
    ),
    "twilio-key": (
        ["TWILIO_AUTH_TOKEN={}", "twilio auth_token = '{}'"],
        lambda r: draw(r, HEX, 32),
    ),
    "jwt": (["Authorization: Bearer {}", "cookie: session={}; path=/"], jwt),
    "private-key": (
        ["{}", "cat ~/.ssh/id_rsa\n{}"],
        lambda r: pem(r, r.choice(["RSA ", "EC ", "OPENSSH ", ""])),
    ),
    "private-key-cut": (
        ["head -5 key.pem\n{}"],
        lambda r: pem(r, "RSA ", 6).rpartition("\n-----END")[0],
    ),
    "private-key-numbered": (
        ["{}"],
        lambda r: "\n".join(
            f"{n:6}→{line}" for n, line in enumerate(pem(r, "RSA ", 8).splitlines(), 1)
        ),
    ),
    "url-password": (
        ["DATABASE_URL=postgresql://app:{}@db.internal:5432/prod", "redis://:{}@cache:6379/0"],
        lambda r: draw(r, ALNUM, 14),
    ),
    "password": (
        ["password = '{}'", "DB_PASSWORD={}", '{{"user": "bob", "password": "{}"}}'],
        lambda r: draw(r, LETTERS, 5) + draw(r, "!#%&*", 1) + draw(r, string.digits, 4),
    ),
    "client-secret": (
        ['"client_secret": "{}"', "CLIENT_SECRET={}"],
        lambda r: draw(r, URL64, 34),
    ),
    "basic-auth": (
        ["Authorization: Basic {}"],
        lambda r: base64.b64encode(f"u:{draw(r, ALNUM, 14)}".encode()).decode(),
    ),
    "azure-storage": (
        ["AccountName=store;AccountKey={};EndpointSuffix=core.windows.net"],
        lambda r: draw(r, B64, 86) + "==",
    ),
    "mail-address": (
        ["Contact {} about it", '{{"author": "{}"}}', "Author: A B <{}>"],
        person,
    ),
}


def secrets(each=4, seed=7):
    """Return (kind, text, secret): each kind so many times."""
    rng = random.Random(seed)
    found = []
    for kind, (frames, make) in KINDS.items():
        for number in range(each):
            secret = make(rng)
            found.append((kind, frames[number % len(frames)].format(secret), secret))
    return found


LOOKALIKES = {
    "git id": lambda r: f"commit {draw(r, HEX, 40)}",
    "short git id": lambda r: f"{draw(r, HEX, 7)} Mend the reader (HEAD -> main)",
    "sha256": lambda r: f"sha256:{draw(r, HEX, 64)}  model.bin",
    "md5": lambda r: f"{draw(r, HEX, 32)}  archive.tar.gz",
    "uuid": lambda r: f'"uuid": "{uuid.UUID(int=r.getrandbits(128), version=4)}"',
    "request id": lambda r: f"request_id: req_01{draw(r, ALNUM, 22)}",
    "tool id": lambda r: f'"tool_use_id": "toolu_01{draw(r, ALNUM, 22)}"',
    "message id": lambda r: f'"id": "msg_01{draw(r, ALNUM, 22)}"',
    "image": lambda r: "data:image/png;base64,iVBORw0KGgo" + draw(r, B64, 400),
    "integrity": lambda r: f'"integrity": "sha512-{draw(r, B64, 86)}=="',
    "docker digest": lambda r: f"FROM python@sha256:{draw(r, HEX, 64)}",
    "npm version": lambda r: f"left-pad@{r.randrange(9)}.{r.randrange(20)}.{r.randrange(9)}",
    "git remote": lambda r: f"git@github.com:{draw(r, LOWER, 6)}/{draw(r, LOWER, 8)}.git",
    "public key": lambda r: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{draw(r, B64, 43)} host",
    "certificate": lambda r: "-----BEGIN CERTIFICATE-----\nMII"
    + "\n".join(draw(r, B64, 64) for _ in range(6))
    + "\n-----END CERTIFICATE-----",
    "public pem": lambda r: "-----BEGIN PUBLIC KEY-----\nMII"
    + "\n".join(draw(r, B64, 64) for _ in range(4))
    + "\n-----END PUBLIC KEY-----",
    "placeholder": lambda r: r.choice(
        ["API_KEY=your-api-key-here", "password: <your password>", "TOKEN=${GITHUB_TOKEN}",
         "OPENAI_API_KEY=sk-...", "api_key = os.environ['API_KEY']", "secret: xxxxxxxxxxxx",
         "password=changeme123", "token = self.tokens[index]"]
    ),
    "counts": lambda r: f"max_tokens={r.randrange(10**5)}, prompt_tokens: {r.randrange(10**5)}",
    "tokenizer": lambda r: f'tokenizer = "{draw(r, string.ascii_lowercase, 8)}-v{r.randrange(9)}"',
    "prose": lambda r: r.choice(
        ["the password is wrong, try again", "No API key was found in the environment.",
         "token expired: please log in", "The secret is to measure twice.",
         "password: required", "auth: basic", "credentials = None"]
    ),
    "ulid": lambda r: f"run 01{draw(r, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 24)} started",
    "path": lambda r: f"/usr/lib/python3/{draw(r, LOWER, 12)}/{draw(r, LOWER, 20)}.py",
    "asset": lambda r: f"dist/assets/index-{draw(r, URL64, 8)}.js 482.11 kB",
    "example mail": lambda r: f"mail {draw(r, string.ascii_lowercase, 5)}@example.com",
    "no-reply": lambda r: "Co-Authored-By: Robot <noreply@robots.dev>",
    "decorator": lambda r: f"@{draw(r, string.ascii_lowercase, 6)}.route('/x')",
    "retina": lambda r: f"icon-{r.randrange(99)}@2x.png",
    "float": lambda r: f"loss = {r.random():.16f}, lr = {r.random() / 1000:.3e}",
    "hex dump": lambda r: "00000010: " + " ".join(draw(r, HEX, 4) for _ in range(8)),
    "etag": lambda r: f'ETag: W/"{draw(r, HEX, 32)}"',
    "cache key": lambda r: f"cache-key: Linux-pip-{draw(r, HEX, 64)}",
    "base64 text": lambda r: base64.b64encode(b"The quick brown fox jumps over it " * 3).decode(),
    "color": lambda r: f"color: #{draw(r, HEX, 6)}; background: #{draw(r, HEX, 8)}",
    "test name": lambda r: "tests/test_auth.py::test_token_is_refreshed_after_401 PASSED",
}  # fmt: skip


def lookalikes(each=7, seed=8):
    """Return (kind, text): each kind so many times."""
    rng = random.Random(seed)
    return [(kind, make(rng)) for kind, make in LOOKALIKES.items() for _ in range(each)]
