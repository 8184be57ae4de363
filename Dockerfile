# The server as a small image: locked dependencies, no build step, run as nobody, writes nothing.
FROM python:3.13.9-slim-trixie AS dependencies
COPY requirements.lock ./
RUN python -m venv /opt/luma-mcp && \
    /opt/luma-mcp/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements.lock && \
    /opt/luma-mcp/bin/pip check && \
    /opt/luma-mcp/bin/pip uninstall --yes pip

FROM python:3.13.9-slim-trixie
LABEL org.opencontainers.image.title="luma-mcp" \
      org.opencontainers.image.description="The MCP server for Luma's video and image generation" \
      org.opencontainers.image.licenses="MIT"
COPY --from=dependencies /opt/luma-mcp /opt/luma-mcp
COPY luma_mcp /opt/luma-mcp/app/luma_mcp
RUN python -m compileall -q /opt/luma-mcp/app
ENV PATH=/opt/luma-mcp/bin:$PATH \
    PYTHONPATH=/opt/luma-mcp/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LUMA_MCP_HOST=0.0.0.0 \
    LUMA_MCP_LOG_FORMAT=json
USER 65534:65534
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
  CMD ["python", "-S", "-m", "luma_mcp.healthcheck"]
ENTRYPOINT ["python", "-m", "luma_mcp"]
