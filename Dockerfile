# The server as a small image: locked dependencies, no build step, run as nobody.
FROM python:3.13-slim AS dependencies
COPY requirements.lock ./
RUN python -m venv /opt/luma-mcp && \
    /opt/luma-mcp/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock

FROM python:3.13-slim
COPY --from=dependencies /opt/luma-mcp /opt/luma-mcp
COPY luma_mcp /opt/luma-mcp/app/luma_mcp
ENV PATH=/opt/luma-mcp/bin:$PATH \
    PYTHONPATH=/opt/luma-mcp/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LUMA_MCP_HOST=0.0.0.0 \
    LUMA_MCP_LOG_FORMAT=json
USER nobody
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "luma_mcp"]
