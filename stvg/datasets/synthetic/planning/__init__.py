"""What happens in a clip and what its captions say."""
