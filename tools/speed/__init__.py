"""Speed and memory of the shipped MMN, beside the authors' way of computing it."""
