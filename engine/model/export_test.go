package model

// ParseGated reads the config of the worked example, which is no built-in family.
func ParseGated(data []byte) (Model, error) {
	return parseConfig(data, map[string]func(*reader) Model{gatedFamily: parseGated})
}
