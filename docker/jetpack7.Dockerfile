# JetPack 7 on Thor and AGX Orin: CUDA 13 and TensorRT of NVIDIA's image for Arm servers, ROS 2 Jazzy, the package. On the board:
#     docker build -f docker/jetpack7.Dockerfile -t vljepa_ros:jetpack7 .
FROM nvcr.io/nvidia/tensorrt:25.08-py3
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive ROS_DISTRO=jazzy
COPY docker/add_ros.sh /opt/
RUN /opt/add_ros.sh
COPY . /ws/src/vljepa_ros
# pycuda is compiled for the image's CUDA; it takes the first nvcc on the path.
RUN PATH="/usr/local/cuda/bin:$PATH" /ws/src/vljepa_ros/docker/build_package.sh \
      --no-binary pycuda pycuda==2026.1 "cuda-bindings==13.*" \
    && python3 -c "import tensorrt"
ENTRYPOINT ["/ws/src/vljepa_ros/docker/entrypoint.sh"]
CMD ["ros2", "launch", "vljepa_ros", "vljepa.launch.py"]
