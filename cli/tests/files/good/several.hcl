vault { address = "https://bao.example:8200" }
auto_auth {
  method "kubernetes" { config = { role = "shop" } }
  sink "file" {
    rotation = "shop"
    config = { path = "/run/shop/token" }
  }
  sink "file" {
    rotation = "shop"
    config = {
      path = "/run/other/token"
      mode = 0640
      gid  = 1000
    }
  }
}
rotation "shop" {
  probe "secret/data/shop" {}
}
rotation "guarded" {
  schedule = "0 3 * * 1-5"
  window   = "2h"
  store    = "sealed"
  seal_key = "seal"
  probe "secret/data/shop" {}
  sink "file" { config = { path = "/run/guarded/token" } }
}
rotation "fleeting" {
  store    = "bootstrap"
  max_leak = "3m"
  probe "secret/data/shop" {}
  sink "file" { config = { path = "/run/fleeting/token" } }
}
rotation "deploy" {
  provider = "approle-secret-id"
  adopt    = "own"
  issued   = "end"
  probe "secret/data/shop" {}
  method "approle" {
    config = {
      role                = "deploy"
      role_id_file_path   = "/etc/deploy/role-id"
      secret_id_file_path = "/etc/deploy/first"
    }
  }
  sink "file" { config = { path = "/run/deploy/secret-id" } }
}
rotation "keys" {
  provider = "aws-iam"
  user     = "svc-payments"
  adopt    = "own"
  every    = "24h"
  source "profile" { file = "/etc/payments/credentials" }
  probe "https://shop.s3.eu-west-1.amazonaws.com/?list-type=2&max-keys=1" {
    service = "s3"
    region  = "eu-west-1"
  }
  sink "shared-credentials" {
    config = {
      path    = "/run/payments/credentials"
      profile = "payments"
    }
  }
}
