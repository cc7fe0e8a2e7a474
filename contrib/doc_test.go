// Package contrib holds files for other programs: a unit of systemd, a
// container, alert rules of Prometheus, a dashboard of Grafana. It has no code,
// only tests that let those programs read their files, and that hold the files
// against ours.
package contrib
