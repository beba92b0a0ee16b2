package plan

// This file holds guesses at what an unknown key was meant to be.

import (
	"fmt"
	"slices"
	"strings"
)

// hint returns what to say after "unknown key": where a field of that name
// stands, or else the key most like it, first of its own section.
func hint(section, key string) string {
	var near, paths, elsewhere, same []string
	for _, s := range sections {
		if section == "" && s.name != "" {
			near = append(near, s.name)
		}
	}
	for _, f := range table {
		in, name := f.section()
		switch {
		case section == "" && in != "" && f.path == key:
			return fmt.Sprintf("; write %s below %s:", name, in)
		case in == section:
			near = append(near, name)
			continue
		case name == key:
			same = append(same, f.path)
		}
		elsewhere, paths = append(elsewhere, name), append(paths, f.path)
	}
	if len(same) > 0 {
		return fmt.Sprintf("; did you mean %s?", strings.Join(same, " or "))
	}
	if n := nearest(key, near); n != "" {
		return fmt.Sprintf("; did you mean %s?", n)
	}
	if n := nearest(key, elsewhere); n != "" {
		return fmt.Sprintf("; did you mean %s?", paths[slices.Index(elsewhere, n)])
	}
	return ""
}

// plain returns the text cut to what fits a message, without control characters.
func (s scalar) plain() string {
	q := s.show()
	return q[1 : len(q)-1]
}
