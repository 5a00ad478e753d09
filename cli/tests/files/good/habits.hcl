// The first version of the language, as people write it.
"vault" { "address" = "https://bao.example:8200", retry { num_retries = 3 } }
auto_auth {
  method "jwt" { namespace = "team/shop" config { path = "/run/${x:-y}/%{jwt}" role = "shop" remove_jwt_after_reading = false } }
  sink { type = "file" config = { path = "/run/shop/token"
    mode = "0640" } }
}
disable_keep_alives = ["auto-auth", "proxying",]
