# The control plane and the operator: python -m limosa_admin, python -m limosa_propeller.
ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /src
COPY requirements/platform.lock requirements/platform.lock
RUN python -m venv /opt/limosa && /opt/limosa/bin/pip install --no-cache-dir --require-hashes -r requirements/platform.lock
COPY . .
RUN /opt/limosa/bin/pip install --no-cache-dir --no-deps .

ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="limosa platform" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/limosa /opt/limosa
ENV PATH=/opt/limosa/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python", "-m"]
CMD ["limosa_admin", "serve"]
