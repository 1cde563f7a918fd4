# The controller in an image that holds Python, the locked dependencies and this package, and runs as nobody.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/rollouts
COPY deploy/requirements.lock /src/requirements.lock
RUN /opt/rollouts/bin/pip install --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md /src/
COPY rollouts /src/rollouts
RUN /opt/rollouts/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /src/wheels /src \
 && /opt/rollouts/bin/pip install --no-deps /src/wheels/*.whl \
 && /opt/rollouts/bin/pip uninstall --yes pip

FROM python:3.13-slim
ENV PATH=/opt/rollouts/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/rollouts /opt/rollouts
USER 65532:65532
EXPOSE 8080 8090
ENTRYPOINT ["rollouts"]
CMD ["controller"]
