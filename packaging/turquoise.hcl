# Copy to /etc/turquoise/turquoise.hcl, and see what it comes to:
#
#     turquoise config check /etc/turquoise/turquoise.hcl
#
# It is a file of `bao agent`, which passes over `rotation` and `journal`.

vault {
  address = "https://bao.example:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/turquoise/role-id"
      secret_id_file_path = "/etc/turquoise/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }

  # Programs in the group `turquoise` may read it.
  sink "file" {
    config = {
      path = "/run/turquoise/token"
      mode = 0640
    }
  }
}

rotation "app" {
  every      = "12h"
  life       = "1h"
  login_life = "1h"
  grace      = "10m"
}
