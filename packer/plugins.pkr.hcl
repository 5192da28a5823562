# For Packer 1.7 and newer, which fetches its builders. Older ones have them built in and don't know this block: give them
# packer/caisson.pkr.hcl alone.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0"
    }
    docker = {
      source  = "github.com/hashicorp/docker"
      version = ">= 1.1.0"
    }
  }
}
