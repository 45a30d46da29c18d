# An image that applies migrations: docker build -t sqlmigrate .
# For `review` and `roundtrip`, too: docker build --build-arg EXTRAS=embedded,review -t sqlmigrate:review .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=""
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/sqlmigrate \
    && /opt/sqlmigrate/bin/python -m pip install --no-cache-dir --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON}-slim
COPY --from=build /opt/sqlmigrate /opt/sqlmigrate
RUN useradd --uid 10001 --user-group --create-home sqlmigrate
ENV PATH=/opt/sqlmigrate/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# a number, since Kubernetes sees by that alone that it is not root
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["sqlmigrate"]
CMD ["--help"]
