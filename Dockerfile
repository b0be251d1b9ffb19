# basrelief on a processor, without the libraries of GPUs. Runs as nobody; mount your folder at /work.
# Not built yet where this was written, for lack of a network:
#   docker build -t basrelief .
#   docker run --rm -u "$(id -u)" -v "$PWD":/work basrelief demo
FROM python:3.11-slim
COPY . /src
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend cpu /src \
    && rm -rf /src
# Whoever runs it has no home: libraries keep what they learn of fonts and weights here.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
USER nobody
ENTRYPOINT ["basrelief"]
