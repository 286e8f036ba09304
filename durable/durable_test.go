package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "file")
	for range 2 {
		if err := MakeDir(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path+".new", []byte("left by a kill, and longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "2nd", ""} {
		if err := Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Fatalf("%q, %v, want %q", got, err, text)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestReplaceFails: where the new name cannot be given, the old content stays
// and nothing is left behind.
func TestReplaceFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder")
	if err := os.MkdirAll(filepath.Join(path, "not empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Errorf("the new file: %v", err)
	}
	if err := Replace(filepath.Join(path, "missing", "file"), nil); err == nil {
		t.Error("a file was written into a folder that is not there")
	}
}

// TestFolderOfAnother: a folder that is there is good, also where the one above
// may not be read.
func TestFolderOfAnother(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read every folder")
	}
	above := filepath.Join(t.TempDir(), "above")
	if err := MakeDir(filepath.Join(above, "below")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(above, 0o100); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(filepath.Join(above, "below")); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(above, 0o700); err != nil {
		t.Fatal(err)
	}
}
