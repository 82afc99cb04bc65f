# x86-64 with an NVIDIA GPU: TensorRT-RTX from PyPI on the ROS 2 Jazzy image, the package. The driver comes from the host.
#     docker build -f docker/pc.Dockerfile -t vljepa_ros:pc .
FROM nvcr.io/nvidia/cuda:13.0.1-devel-ubuntu24.04 AS pycuda
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive
# Versions of compilers are Ubuntu's: its servers keep only the newest of each.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev python3-pip \
    && rm -rf /var/lib/apt/lists/*
# pycuda without random numbers needs of CUDA the driver alone, whose stand-in for the linker lies in stubs.
RUN printf "CUDA_ROOT = '/usr/local/cuda'\nCUDA_ENABLE_CURAND = False\nCUDADRV_LIB_DIR = ['/usr/local/cuda/lib64/stubs']\n" \
      > /root/.aksetup-defaults.py \
    && LDFLAGS=-Wl,--no-as-needed python3 -m pip wheel --no-cache-dir --no-deps --no-binary pycuda -w /wheels pycuda==2026.1

FROM ros:jazzy-ros-base-noble
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive ROS_DISTRO=jazzy \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=pycuda /wheels /wheels
COPY . /ws/src/vljepa_ros
RUN /ws/src/vljepa_ros/docker/build_package.sh --find-links /wheels pycuda==2026.1 tensorrt-rtx-cu13==1.7.1.116 \
    && python3 -c "import tensorrt_rtx"
ENTRYPOINT ["/ws/src/vljepa_ros/docker/entrypoint.sh"]
CMD ["ros2", "launch", "vljepa_ros", "vljepa.launch.py"]
