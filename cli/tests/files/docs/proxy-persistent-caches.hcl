# After agent-and-proxy/proxy/caching/persistent-caches.
cache {
  persist "kubernetes" {
    path = "/var/cache/proxy"
  }
}
