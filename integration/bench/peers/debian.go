package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is where a peer's binary lies, and what it needs beside.
type program struct {
	path string
	env  []string
}

// unpacked fetches a package and those it depends on from Debian into a folder
// and unpacks them there: nothing is installed, and no service is started. Where
// the machine's lists of packages are missing or old, newer ones are fetched into
// the folder as well.
func unpacked(dir, name string) (program, error) {
	archives, lists, root := filepath.Join(dir, name+"-debs"), filepath.Join(dir, "lists"), filepath.Join(dir, name)
	for _, folder := range []string{archives, lists} {
		if err := os.MkdirAll(filepath.Join(folder, "partial"), 0o755); err != nil {
			return program{}, err
		}
	}
	fetch := []string{"install", "--reinstall", "--download-only", "--no-install-recommends", "--option=Dir::Cache::archives=" + archives, name}
	if apt(fetch...) != nil {
		ours := "--option=Dir::State::lists=" + lists
		if err := apt("update", ours); err != nil {
			return program{}, err
		}
		if err := apt(append(fetch, ours)...); err != nil {
			return program{}, err
		}
	}
	debs, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return program{}, err
	}
	for _, deb := range debs {
		if out, err := exec.Command("dpkg", "--extract", deb, root).CombinedOutput(); err != nil {
			return program{}, fmt.Errorf("unpacking %s: %w: %s", deb, err, lastLine(out))
		}
	}
	p := program{path: filepath.Join(root, "usr/sbin", name)}
	if _, err := os.Stat(p.path); err != nil {
		return program{}, err
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-*"))
	p.env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	return p, err
}

func apt(arguments ...string) error {
	out, err := exec.Command("apt-get", append(arguments, "--yes", "--quiet",
		"--option=Debug::NoLocking=1", "--option=APT::Sandbox::User=root")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	text := strings.TrimSpace(string(out))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
