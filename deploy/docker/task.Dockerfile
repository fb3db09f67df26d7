# The default image of task pods: Python, the SDK's runtime, and the frames most tasks pass.
ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /src
COPY requirements/task.lock requirements/task.lock
RUN python -m venv /opt/limosa && /opt/limosa/bin/pip install --no-cache-dir --require-hashes -r requirements/task.lock
COPY . .
RUN /opt/limosa/bin/pip install --no-cache-dir --no-deps .
RUN /opt/limosa/bin/python -m compileall -qq -j 0 /opt/limosa/lib

ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="limosa task" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/limosa /opt/limosa
ENV PATH=/opt/limosa/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
CMD ["python", "-m", "limosa.runtime"]
