# JetPack 6.1 and 6.2 on Orin: CUDA 12.6 and TensorRT 10.3 of NVIDIA's image, ROS 2 Humble, the package. Build it on the board:
#     docker build -f docker/jetpack6.Dockerfile -t vljepa_ros:jetpack6 .
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive ROS_DISTRO=humble
COPY docker/add_ros.sh /opt/
RUN /opt/add_ros.sh
COPY . /ws/src/vljepa_ros
# pycuda is compiled for the image's CUDA; it takes the first nvcc on the path.
RUN PATH="/usr/local/cuda/bin:$PATH" /ws/src/vljepa_ros/docker/build_package.sh \
      --no-binary pycuda pycuda==2026.1 "cuda-bindings==12.*" \
    && python3 -c "import tensorrt"
ENTRYPOINT ["/ws/src/vljepa_ros/docker/entrypoint.sh"]
CMD ["ros2", "launch", "vljepa_ros", "vljepa.launch.py"]
