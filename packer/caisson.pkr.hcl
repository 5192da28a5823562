# The machine image of a worker, for both processors, and the same made of a container, which a test really runs.
#
#   packer init packer                                                # once; Packer 1.7 or newer
#   packer build -only='amazon-ebs.*' packer                          # both AMIs
#   packer build -only=amazon-ebs.x86_64 -var binary=… packer         # one
#
# What is in an image is packer/provision.sh's doing; this file says where it runs.

variable "binary" {
  type        = string
  default     = "target/release/caisson"
  description = "The worker for x86-64, built on a system whose C library is not newer than Debian 13's."
}

variable "binary_arm64" {
  type        = string
  default     = "target/aarch64-unknown-linux-gnu/release/caisson"
  description = "The same for arm64."
}

variable "region" {
  type        = string
  default     = "eu-central-1"
  description = "Where the AMIs are made."
}

variable "name" {
  type        = string
  default     = "caisson"
  description = "What the images' names begin with."
}

variable "base_image" {
  type        = string
  default     = "caisson/base"
  description = "The local image that the container is made of; images/build makes it."
}

variable "container_image" {
  type        = string
  default     = "caisson/host"
  description = "What the container becomes."
}

locals {
  # Debian's own account; its images are signed and the newest is taken.
  debian_account = "136693071363"
  stamp          = formatdate("YYYYMMDD-hhmmss", timestamp())
}

source "amazon-ebs" "x86_64" {
  region        = var.region
  instance_type = "c6i.xlarge"
  ami_name      = "${var.name}-x86_64-${local.stamp}"
  ssh_username  = "admin"
  # Encrypted with the account's key, so that a copy of the image is of no use elsewhere.
  encrypt_boot = true

  source_ami_filter {
    owners      = [local.debian_account]
    most_recent = true
    filters = {
      name                = "debian-13-amd64-*"
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = 12
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  tags = {
    Name   = "${var.name}-x86_64"
    source = "{{ .SourceAMIName }}"
  }
}

source "amazon-ebs" "arm64" {
  region        = var.region
  instance_type = "c7g.xlarge"
  ami_name      = "${var.name}-arm64-${local.stamp}"
  ssh_username  = "admin"
  encrypt_boot  = true

  source_ami_filter {
    owners      = [local.debian_account]
    most_recent = true
    filters = {
      name                = "debian-13-arm64-*"
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = 12
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  tags = {
    Name   = "${var.name}-arm64"
    source = "{{ .SourceAMIName }}"
  }
}

source "docker" "container" {
  image  = var.base_image
  pull   = false
  commit = true
  # The host's network: an engine set up for workers has no bridge (deploy/host/daemon.json).
  run_command = ["-d", "-i", "-t", "--network", "host", "--entrypoint=/bin/sh", "--", "{{ .Image }}"]
}

build {
  sources = [
    "source.amazon-ebs.x86_64",
    "source.amazon-ebs.arm64",
    "source.docker.container",
  ]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/caisson"]
  }

  provisioner "file" {
    source      = "deploy/host"
    destination = "/tmp/caisson"
  }

  provisioner "file" {
    source      = "images"
    destination = "/tmp/caisson"
  }

  provisioner "file" {
    only        = ["amazon-ebs.x86_64", "docker.container"]
    source      = var.binary
    destination = "/tmp/caisson/caisson"
  }

  provisioner "file" {
    only        = ["amazon-ebs.arm64"]
    source      = var.binary_arm64
    destination = "/tmp/caisson/caisson"
  }

  provisioner "shell" {
    only            = ["amazon-ebs.x86_64", "amazon-ebs.arm64"]
    script          = "packer/provision.sh"
    execute_command = "sudo env KIND=machine bash '{{ .Path }}'"
  }

  provisioner "shell" {
    only            = ["docker.container"]
    script          = "packer/provision.sh"
    execute_command = "env KIND=container bash '{{ .Path }}'"
  }

  post-processor "docker-tag" {
    only       = ["docker.container"]
    repository = var.container_image
    tags       = ["latest"]
  }
}
