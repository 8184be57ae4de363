# The server as a small image: built with everything locked, run as nobody.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/luma-mcp
COPY requirements.lock ./
RUN /opt/luma-mcp/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY luma_mcp ./luma_mcp
RUN /opt/luma-mcp/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/luma-mcp /opt/luma-mcp
ENV PATH=/opt/luma-mcp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LUMA_MCP_HOST=0.0.0.0 \
    LUMA_MCP_LOG_FORMAT=json
USER nobody
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["luma-mcp"]
