# HemoStat, one image for all commands: docker build -t hemostat .
# Another base (any with Python 3.11 or newer): --build-arg BASE=…; without an index: docs/DEPLOYMENT.md.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
# The wheels are optional; the licence is there because a COPY of nothing fails.
COPY LICENSE wheel[s] /wheels/
COPY LICENSE README.md pyproject.toml hemostat.toml.example ./
COPY tests/eval/incidents tests/eval/incidents
COPY demos/recording.jsonl.gz demos/
COPY docs/man docs/man
COPY requirements requirements
COPY hemostat hemostat
ARG PIP_NO_INDEX
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_FIND_LINKS=/wheels
# The locked versions alone, with their hashes; what builds the wheel stays out of the image.
RUN python3 -m venv /opt/build && python3 -m venv /opt/hemostat \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/hemostat/bin/pip install --require-hashes -r requirements/run.txt \
    && /opt/hemostat/bin/pip install --no-deps /dist/*.whl \
    && /opt/hemostat/bin/pip uninstall --yes --quiet pip

FROM ${BASE}
COPY --from=build /opt/hemostat /opt/hemostat
RUN mkdir -p /var/lib/hemostat && chown 10001:10001 /var/lib/hemostat && chmod 700 /var/lib/hemostat
ENV PATH=/opt/hemostat/bin:$PATH \
    HOME=/var/lib/hemostat \
    HEMOSTAT_STATE_DIR=/var/lib/hemostat \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/hemostat
VOLUME /var/lib/hemostat
ENTRYPOINT ["hemostat"]
CMD ["--help"]
